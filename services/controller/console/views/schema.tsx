import { type Context, Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { MAX_SCHEMA_BYTES, SchemaQuerySchema, type StoredSchema } from '#lib/contract/config-schema.ts'
import { may, requires } from '#lib/http/caller.ts'
import { ApiError, invalidRequest } from '#lib/http/errors.ts'
import { requestId } from '#lib/http/request-id.ts'
import { actorOf } from '../../actor.ts'
import { noSchema } from '../../config-schema.ts'
import { slicesOf } from '../../fleet/slices.ts'
import type { ConsoleParts } from '../console.ts'
import { prettyJson } from '../diff/json-lines.ts'
import { checkJson } from '../json/check.ts'
import { Csrf, showPage } from '../page.tsx'
import { commentOf } from '../parts/draft.ts'
import { Time } from '../parts/time.tsx'
import { FORM_BYTES, readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import type { Session } from '../session/sessions.ts'
import { Problem } from './problem.tsx'

/** What stands in the form. */
interface SchemaDraft {
  readonly text: string
  readonly comment: string
  readonly force: boolean
}

/** A schema to begin with, where there is none. */
const firstText = '{\n  "type": "object",\n  "required": ["url"],\n  "properties": {\n    "url": { "type": "string", "format": "uri" }\n  }\n}'

const InForce = ({ stored, text }: { readonly stored: StoredSchema; readonly text: string }) => (
  <>
    <p>
      Set by <strong>{stored.set_by}</strong>, <Time at={stored.set_at} />. Every publish and every rollback has to meet it.
    </p>
    <h2 id="in-force">In force</h2>
    <section class="data" tabindex={0} aria-labelledby="in-force">
      <pre>
        <code>{text}</code>
      </pre>
    </section>
  </>
)

const SetForm = ({
  session,
  draft,
  isFirst,
  isWrong,
}: {
  readonly session: Session
  readonly draft: SchemaDraft
  readonly isFirst: boolean
  readonly isWrong: boolean
}) => (
  <form method="post" action="/console/schema" class="editor" data-once>
    <h2>{isFirst ? 'Set one' : 'Set another'}</h2>
    <Csrf session={session} />
    <label for="schema">A JSON Schema of draft 2020-12, for the data of configs</label>
    <textarea
      id="schema"
      name="schema"
      class="code"
      rows={Math.min(30, Math.max(10, draft.text.split('\n').length + 1))}
      spellcheck={false}
      autocomplete="off"
      required
      data-json=""
      data-said="schema-said"
      {...(isWrong ? { 'aria-invalid': 'true' as const } : {})}
    >
      {/* The first end of line in it is not part of it (HTML, section 13.1.2.5). */}
      {`\n${draft.text}`}
    </textarea>
    <p id="schema-said" class="said" role="status" />
    <label>
      Comment <small>(why this change; in the audit)</small>
      <input name="comment" maxlength={1000} value={draft.comment} />
    </label>
    <label>
      <input type="checkbox" name="force" value="true" checked={draft.force} /> Also where the latest config does not meet it: the next publish has to
    </label>
    <button type="submit">Set the schema</button>
  </form>
)

const DeleteForm = ({ session }: { readonly session: Session }) => (
  <form method="post" action="/console/schema/delete" data-once>
    <Csrf session={session} />
    <p>Configs may then be anything again that the contract takes. The schema that is in force now is not kept.</p>
    <label>
      Comment <small>(why; in the audit)</small>
      <input name="comment" maxlength={1000} />
    </label>
    <button type="submit">Delete the schema</button> <a href="/console/schema">Keep it</a>
  </form>
)

/** What configs have to meet: `/console/schema`. */
export function schemaRoutes(parts: ConsoleParts) {
  const { schema, assets, address } = parts

  const show = async (c: Context, draft?: SchemaDraft, above: Child = null, status: ContentfulStatusCode = 200) => {
    const session = sessionOf(c)
    const { stored } = schema
    const text = stored && (await prettyJson(stored.schema, slicesOf(parts.clock), 4 * MAX_SCHEMA_BYTES))
    const isAdmin = may(session.caller, 'admin')
    return showPage(
      c,
      assets,
      session,
      {
        title: 'Config schema',
        place: 'configs',
        same: { dcm: isAdmin ? 'dcm schema get\ndcm schema set schema.json' : 'dcm schema get', request: { path: '/config/schema' } },
        children: (
          <>
            {above}
            {stored && text !== undefined ? (
              <InForce stored={stored} text={text} />
            ) : (
              <p class="empty">
                No schema is in force: a config may be any JSON object that the contract takes.{' '}
                {isAdmin ? 'Set one below, and what breaks it is refused before it reaches an agent.' : 'An admin can set one.'}
              </p>
            )}
            {isAdmin && stored ? (
              <p>
                <a href="/console/schema/delete">Delete the schema</a>
              </p>
            ) : null}
            {isAdmin ? (
              <SetForm
                session={session}
                draft={draft ?? { text: text ?? firstText, comment: '', force: false }}
                isFirst={stored === undefined}
                isWrong={status >= 400}
              />
            ) : null}
          </>
        ),
      },
      status,
    )
  }

  return new Hono()
    .get('/schema', requires('publish', 'read the config schema'), (c) => show(c))
    .post('/schema', requires('admin', 'set the config schema'), async (c) => {
      // Indented it may be larger than it counts.
      const fields = await readOwnForm(c, 2 * MAX_SCHEMA_BYTES + FORM_BYTES)
      const draft = { text: fields.get('schema') ?? '', comment: (fields.get('comment') ?? '').trim(), force: fields.get('force') === 'true' }
      try {
        const read = checkJson(draft.text)
        if (!('value' in read)) throw new ApiError('INVALID_REQUEST', 'Cannot set the config schema', { details: [{ path: read.path, message: read.message }] })
        const size = Buffer.byteLength(JSON.stringify(read.value))
        if (size > MAX_SCHEMA_BYTES)
          throw new ApiError('PAYLOAD_TOO_LARGE', `Cannot set the config schema: it is ${size} bytes of JSON, at most ${MAX_SCHEMA_BYTES} are allowed`)
        const query = SchemaQuerySchema.pick({ comment: true }).safeParse(commentOf(draft.comment))
        if (!query.success) throw invalidRequest(query.error, 'json')
        await schema.set(read.value, { force: draft.force, comment: query.data.comment }, actorOf(c, address))
        return c.redirect('/console/schema', 303)
      } catch (error) {
        if (!(error instanceof ApiError) || error.code === 'INTERNAL') throw error
        return show(c, draft, <Problem error={error} id={requestId(c)} />, error.status)
      }
    })
    .get('/schema/delete', requires('admin', 'delete the config schema'), (c) => {
      if (schema.stored === undefined) throw noSchema()
      return showPage(c, assets, sessionOf(c), {
        title: 'Delete the config schema?',
        place: 'configs',
        same: { dcm: 'dcm schema delete', request: { method: 'DELETE', path: '/config/schema' } },
        children: <DeleteForm session={sessionOf(c)} />,
      })
    })
    .post('/schema/delete', requires('admin', 'delete the config schema'), async (c) => {
      const query = SchemaQuerySchema.pick({ comment: true }).safeParse(commentOf(((await readOwnForm(c)).get('comment') ?? '').trim()))
      if (!query.success) throw invalidRequest(query.error, 'json')
      await schema.remove(actorOf(c, address), query.data.comment)
      return c.redirect('/console/schema', 303)
    })
}
