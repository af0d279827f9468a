import { type Context, Hono } from 'hono'
import { type Key, KeyRequestSchema, type MadeKey, roles } from '#lib/contract/keys.ts'
import { requires } from '#lib/http/caller.ts'
import { ApiError, invalidRequest } from '#lib/http/errors.ts'
import { actorOf } from '../../actor.ts'
import type { ConsoleParts } from '../console.ts'
import { Csrf, showPage } from '../page.tsx'
import { Empty, Scroll } from '../parts/pieces.tsx'
import { word } from '../parts/shell.ts'
import { Time } from '../parts/time.tsx'
import { type Fields, readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import type { Session } from '../session/sessions.ts'
import { Problem } from './problem.tsx'
import { asRefusal } from './publish-form.ts'

/** What each role is for; what each may do stands in docs/keys.md. */
const purposes: Readonly<Record<(typeof roles)[number], string>> = {
  agent: 'agent: a host registers, reads configs, reports',
  relay: 'relay: an agent that others follow',
  publisher: 'publisher: a colleague or pipeline publishes and sees the fleet',
  admin: 'admin: everything, keys too',
}

const Row = ({ key_, session, now }: { readonly key_: Key; readonly session: Session; readonly now: number }) => (
  <tr>
    <th scope="row">{key_.name}</th>
    <td>{key_.role}</td>
    <td>
      <code>{key_.prefix}…</code>
    </td>
    <td>
      <Time at={key_.created_at} />
    </td>
    <td>
      {key_.expires_at === null ? 'never' : <Time at={key_.expires_at} />}
      {key_.expires_at !== null && Date.parse(key_.expires_at) <= now ? <small> is over</small> : null}
    </td>
    <td>{key_.last_used_at === null ? 'never' : <Time at={key_.last_used_at} />}</td>
    <td>
      <details>
        <summary>Revoke</summary>
        <form method="post" action={`/console/keys/${encodeURIComponent(key_.id)}/revoke`}>
          <Csrf session={session} />
          <p>It is refused at once, and what it holds open is ended.</p>
          <button type="submit" class="small">
            Revoke the key {key_.prefix}… of {key_.name}
          </button>
        </form>
      </details>
    </td>
  </tr>
)

const Make = ({ session, fields }: { readonly session: Session; readonly fields: Fields | undefined }) => (
  <form method="post" action="/console/keys" class="filters" aria-label="Make a key">
    <Csrf session={session} />
    <label>
      Whose it is
      <input type="text" name="name" required maxlength={100} value={fields?.get('name') ?? ''} placeholder="web-01" />
    </label>
    <label>
      Role
      <select name="role">
        {roles.map((role) => (
          <option value={role} {...(fields?.get('role') === role ? { selected: true } : {})}>
            {purposes[role]}
          </option>
        ))}
      </select>
    </label>
    <label>
      Expires, in UTC; empty: never
      <input type="datetime-local" name="expires" value={fields?.get('expires') ?? ''} />
    </label>
    <button type="submit">Make a key</button>
  </form>
)

const Made = ({ made }: { readonly made: MadeKey }) => (
  <section class="made" role="alert">
    <h2>The key of {made.name}</h2>
    <p>
      <code id="made-key" class="secret">
        {made.key}
      </code>{' '}
      <button type="button" class="small" data-copy="made-key">
        Copy
      </button>
    </p>
    <p>This is the one time that it is shown: what is kept is its digest. Put it where it is needed before you leave this page.</p>
  </section>
)

/**
 * The key that a form asks for.
 * @throws ApiError INVALID_REQUEST
 */
function requestIn(fields: Fields) {
  const expires = fields.get('expires') ?? ''
  const parsed = KeyRequestSchema.safeParse({
    name: fields.get('name'),
    role: fields.get('role'),
    // A browser leaves out the zone, and seconds where they are 0.
    ...(expires === '' ? {} : { expires_at: /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(expires) ? `${expires}:00Z` : `${expires}Z` }),
  })
  if (!parsed.success) throw invalidRequest(parsed.error, 'json')
  return parsed.data
}

/** Keys of hosts and colleagues, for admins: `/console/keys`. */
export function keysRoutes({ keys, assets, address, clock }: ConsoleParts) {
  const show = (c: Context, above: { readonly made?: MadeKey; readonly problem?: ApiError; readonly fields?: Fields }, status: 200 | 400 | 503 = 200) => {
    const session = sessionOf(c)
    const all = keys.list()
    return showPage(
      c,
      assets,
      session,
      {
        title: 'Keys',
        place: 'keys',
        same: { dcm: `dcm keys\ndcm keys make ${word(above.made?.name ?? 'web-01')} --role ${above.made?.role ?? 'agent'}`, request: { path: '/keys' } },
        children: (
          <>
            {above.made ? <Made made={above.made} /> : null}
            {above.problem ? <Problem error={above.problem} /> : null}
            <Make session={session} fields={above.fields} />
            {all.length === 0 ? (
              <Empty>
                There is only the controller’s own key, <code>API_KEY</code>, which is not listed. Give each host and each colleague a key of their own: one
                that is lost can then be revoked alone.
              </Empty>
            ) : (
              <Scroll label="Keys">
                <table class="rows">
                  <thead>
                    <tr>
                      <th scope="col">Name</th>
                      <th scope="col">Role</th>
                      <th scope="col">Begins with</th>
                      <th scope="col">Made</th>
                      <th scope="col">Expires</th>
                      <th scope="col">Last used</th>
                      <th scope="col">
                        <span class="visually-hidden">What can be done</span>
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {all.map((one) => (
                      <Row key_={one} session={session} now={clock.now()} />
                    ))}
                  </tbody>
                </table>
              </Scroll>
            )}
          </>
        ),
      },
      status,
    )
  }
  return new Hono()
    .use('/keys', requires('admin', 'see the keys'))
    .use('/keys/*', requires('admin', 'revoke a key'))
    .get('/keys', (c) => show(c, {}))
    .post('/keys', async (c) => {
      const fields = await readOwnForm(c)
      try {
        return await show(c, { made: await keys.make(requestIn(fields), actorOf(c, address)) })
      } catch (error) {
        const problem = asRefusal(error)
        return show(c, { problem, fields }, problem.status === 503 ? 503 : 400)
      }
    })
    .post('/keys/:id/revoke', async (c) => {
      await readOwnForm(c)
      if (!(await keys.revoke(c.req.param('id'), actorOf(c, address)))) throw new ApiError('NOT_FOUND', 'key not found: it was revoked before; see the list')
      return c.redirect('/console/keys', 303)
    })
}
