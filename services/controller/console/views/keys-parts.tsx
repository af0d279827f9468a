import type { ErrorDetail } from '#lib/contract/envelope.ts'
import { type Key, type MadeKey, type Role, rolePermissions, roles } from '#lib/contract/keys.ts'
import { Csrf } from '../page.tsx'
import { Empty } from '../parts/pieces.tsx'
import { Time } from '../parts/time.tsx'
import type { Session } from '../session/sessions.ts'

/** What stands in the form for a key. */
export interface KeyDraft {
  readonly name: string
  readonly role: string
  /** A day, as 2027-01-31; empty: never. */
  readonly expires: string
}

/** What a role is for, in a few words; what it may do is in the title. */
const uses: Readonly<Record<Role, string>> = {
  agent: 'an agent on a host',
  relay: 'an agent that serves others below it',
  publisher: 'a colleague or a pipeline that publishes',
  admin: 'whoever also makes keys and reads the audit',
}

/** The form that makes a key. */
export const MakeForm = ({
  session,
  token,
  draft,
  problems,
}: {
  readonly session: Session
  readonly token: string
  readonly draft: KeyDraft
  readonly problems: readonly ErrorDetail[]
}) => {
  const wrong = (field: string) => (problems.some(({ path }) => path === field) ? { 'aria-invalid': 'true' as const } : {})
  return (
    <form method="post" action="/console/keys" data-once>
      <Csrf session={session} />
      <input type="hidden" name="once" value={token} />
      <div class="columns">
        <label>
          Whose it is <small>(keys of one name are one owner’s: so keys are rotated)</small>
          <input name="name" required maxlength={100} autocomplete="off" value={draft.name} {...wrong('name')} />
        </label>
        <label>
          Role
          <select name="role" required {...wrong('role')}>
            {roles.map((role) => (
              <option value={role} selected={role === draft.role} title={`may ${[...rolePermissions[role]].join(', ')}`}>
                {role}: {uses[role]}
              </option>
            ))}
          </select>
        </label>
        <label>
          Refused from this day on <small>(0:00 UTC; empty: never)</small>
          <input type="date" name="expires" value={draft.expires} {...wrong('expires_at')} />
        </label>
      </div>
      <button type="submit">Make the key</button>
    </form>
  )
}

/** A key that was made: the one time that it is shown. */
export const Made = ({ made }: { readonly made: MadeKey }) => (
  <section class="made" aria-labelledby="made">
    <h2 id="made">The key of {made.name}</h2>
    <p role="status">It is shown this once, and kept nowhere: copy it now. Who loses it gets another one, and this one is revoked.</p>
    <p class="secret">
      <code id="the-key">{made.key}</code>{' '}
      <button type="button" class="small" data-copy="the-key">
        Copy
      </button>
    </p>
    <p>
      Role {made.role};{' '}
      {made.expires_at === null ? (
        'it does not expire.'
      ) : (
        <>
          refused from <Time at={made.expires_at} /> on.
        </>
      )}
    </p>
  </section>
)

/** A time, or what its absence means. */
const TimeOr = ({ at, absent }: { readonly at: string | null; readonly absent: string }) => (at === null ? <span>{absent}</span> : <Time at={at} />)

/** The keys there are. */
export const KeyTable = ({ keys, now, ownId }: { readonly keys: readonly Key[]; readonly now: number; readonly ownId: string }) =>
  keys.length === 0 ? (
    <Empty>No key was made yet: everybody uses the controller’s own (API_KEY). Make one for each host and each colleague below.</Empty>
  ) : (
    <section class="scroll" tabindex={0} aria-label="Keys">
      <table>
        <caption class="visually-hidden">Keys, the newest first</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Role</th>
            <th scope="col">Begins with</th>
            <th scope="col">Made</th>
            <th scope="col">Expires</th>
            <th scope="col">Last used</th>
            <th scope="col">
              <span class="visually-hidden">What to do</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr>
              <th scope="row">
                {key.name}
                {key.id === ownId ? <small> (yours)</small> : null}
              </th>
              <td>{key.role}</td>
              <td>
                <code>{key.prefix}…</code>
              </td>
              <td class="nowrap">
                <Time at={key.created_at} />
              </td>
              <td class="nowrap">
                <TimeOr at={key.expires_at} absent="never" />
                {key.expires_at !== null && Date.parse(key.expires_at) <= now ? <strong> expired</strong> : null}
              </td>
              <td class="nowrap">
                <TimeOr at={key.last_used_at} absent="never" />
              </td>
              <td>
                <a href={`/console/keys/${key.id}/revoke`}>
                  Revoke<span class="visually-hidden"> the key of {key.name}</span>
                </a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
