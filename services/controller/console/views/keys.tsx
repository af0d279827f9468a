import { type Context, Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ErrorDetail } from '#lib/contract/envelope.ts'
import { type Key, KeyRequestSchema } from '#lib/contract/keys.ts'
import { requires } from '#lib/http/caller.ts'
import { ApiError, invalidRequest } from '#lib/http/errors.ts'
import { requestId } from '#lib/http/request-id.ts'
import { actorOf } from '../../actor.ts'
import { keyNotFound } from '../../keys/not-found.ts'
import type { ConsoleParts } from '../console.ts'
import { Csrf, showPage } from '../page.tsx'
import { OnceForms } from '../parts/once.ts'
import { Time } from '../parts/time.tsx'
import { readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import { type KeyDraft, KeyTable, Made, MakeForm } from './keys-parts.tsx'
import { Problem } from './problem.tsx'

const same = { dcm: 'dcm keys\ndcm keys make NAME --role agent', request: { path: '/keys' } }
const empty: KeyDraft = { name: '', role: 'agent', expires: '' }

/** A day as the moment at which it begins; what is none is left for the contract to refuse. */
const momentOf = (day: string): string => (/^\d{4}-\d{2}-\d{2}$/.test(day) ? `${day}T00:00:00Z` : day)

const sentBefore = () =>
  new ApiError(
    'INVALID_REQUEST',
    'No key was made now: this form was sent before, or is from before the controller started. A key is shown only once; one that nobody has copied is best revoked, and another one made',
  )

const Revoke = ({ csrf, of, isOwn }: { readonly csrf: Child; readonly of: Key; readonly isOwn: boolean }) => (
  <>
    <p>
      The key of <strong>{of.name}</strong> ({of.role}), beginning with <code>{of.prefix}…</code>, made <Time at={of.created_at} />, last used{' '}
      {of.last_used_at === null ? 'never' : <Time at={of.last_used_at} />}.
    </p>
    <p>It is refused at once, and what it holds open is ended. This cannot be taken back: whoever uses it needs another one.</p>
    {isOwn ? (
      <p class="problem">
        <strong>This is the key that you are logged in with:</strong> your session ends with it.
      </p>
    ) : null}
    <form method="post" action={`/console/keys/${of.id}/revoke`} data-once>
      {csrf}
      <button type="submit">Revoke the key of {of.name}</button> <a href="/console/keys">Keep it</a>
    </form>
  </>
)

/** The keys of hosts and colleagues: `/console/keys`. */
export function keysRoutes(parts: ConsoleParts) {
  const { keys, assets, address, clock } = parts
  const forms = new OnceForms()

  const show = (c: Context, options: { draft?: KeyDraft; above?: Child; status?: ContentfulStatusCode; problems?: readonly ErrorDetail[] } = {}) => {
    const { draft = empty, above = null, status = 200, problems = [] } = options
    const session = sessionOf(c)
    const children = (
      <>
        {above}
        <KeyTable keys={keys.list()} now={clock.now()} ownId={session.caller.id} />
        <p>
          <small>The controller’s own key (API_KEY) is not among them; keys that expired are shown for 30 days.</small>
        </p>
        <h2>Make a key</h2>
        <MakeForm session={session} token={forms.issue()} draft={draft} problems={problems} />
      </>
    )
    return showPage(c, assets, session, { title: 'Keys', place: 'keys', same, children }, status)
  }

  /** A key of the list; one that is not there is none that could be revoked. */
  const known = (id: string): Key => {
    const key = keys.list().find((one) => one.id === id)
    if (key === undefined) throw keyNotFound(id)
    return key
  }

  return new Hono()
    .get('/keys', requires('admin', 'see the keys'), (c) => show(c))
    .post('/keys', requires('admin', 'make a key'), async (c) => {
      const fields = await readOwnForm(c)
      const draft: KeyDraft = { name: (fields.get('name') ?? '').trim(), role: fields.get('role') ?? '', expires: (fields.get('expires') ?? '').trim() }
      try {
        const request = KeyRequestSchema.safeParse({
          name: draft.name,
          role: draft.role,
          ...(draft.expires === '' ? {} : { expires_at: momentOf(draft.expires) }),
        })
        if (!request.success) throw invalidRequest(request.error, 'json')
        if (!forms.take(fields.get('once'))) throw sentBefore()
        const made = await keys.make(request.data, actorOf(c, address))
        return show(c, { above: <Made made={made} />, status: 201 })
      } catch (error) {
        if (!(error instanceof ApiError) || error.code === 'INTERNAL') throw error
        return show(c, { draft, above: <Problem error={error} id={requestId(c)} />, status: error.status, problems: error.details })
      }
    })
    .get('/keys/:id/revoke', requires('admin', 'revoke a key'), (c) => {
      const key = known(c.req.param('id'))
      const session = sessionOf(c)
      return showPage(c, assets, session, {
        title: `Revoke the key of ${key.name}?`,
        place: 'keys',
        same: { dcm: `dcm keys revoke ${key.id}`, request: { method: 'DELETE', path: `/keys/${key.id}` } },
        children: <Revoke csrf={<Csrf session={session} />} of={key} isOwn={key.id === session.caller.id} />,
      })
    })
    .post('/keys/:id/revoke', requires('admin', 'revoke a key'), async (c) => {
      await readOwnForm(c)
      const id = c.req.param('id')
      if (!(await keys.revoke(id, actorOf(c, address)))) throw keyNotFound(id)
      return c.redirect('/console/keys', 303)
    })
}
