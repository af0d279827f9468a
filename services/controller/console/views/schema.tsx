import { type Context, Hono } from 'hono'
import { ConfigSchemaRequestSchema, MAX_SCHEMA_BYTES } from '#lib/contract/config-schema.ts'
import { parseStrictJson, StrictJsonError } from '#lib/contract/strict-json.ts'
import { may, requires } from '#lib/http/caller.ts'
import { ApiError, invalidPart, invalidRequest } from '#lib/http/errors.ts'
import { actorOf } from '../../actor.ts'
import type { ConsoleParts } from '../console.ts'
import { Csrf, showPage } from '../page.tsx'
import { prettyJson } from '../parts/json-text.ts'
import { Empty, Scroll } from '../parts/pieces.tsx'
import { Time } from '../parts/time.tsx'
import { FORM_BYTES, readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import type { Session } from '../session/sessions.ts'
import { Problem } from './problem.tsx'
import { asRefusal } from './publish-form.ts'

/**
 * The schema that was typed.
 * @throws ApiError INVALID_REQUEST, PAYLOAD_TOO_LARGE
 */
function schemaIn(text: string): Readonly<Record<string, unknown>> {
  if (Buffer.byteLength(text) > MAX_SCHEMA_BYTES)
    throw new ApiError('PAYLOAD_TOO_LARGE', `Cannot set the config schema: it is larger than ${MAX_SCHEMA_BYTES} bytes`)
  let parsed: unknown
  try {
    parsed = parseStrictJson(text)
  } catch (error) {
    if (error instanceof StrictJsonError) throw invalidPart(error.path === 'body' ? 'schema' : `schema.${error.path}`, error.message)
    throw error
  }
  const checked = ConfigSchemaRequestSchema.safeParse(parsed)
  if (!checked.success) throw invalidRequest(checked.error, 'json')
  return checked.data
}

const Edit = ({ text, comment, session, isSet }: { readonly text: string; readonly comment: string; readonly session: Session; readonly isSet: boolean }) => (
  <details {...(isSet ? {} : { open: true })}>
    <summary>{isSet ? 'Change or delete it' : 'Set one'}</summary>
    <form method="post" action="/console/schema">
      <Csrf session={session} />
      <label for="data">JSON Schema, draft 2020-12</label>
      <textarea id="data" name="schema" rows={14} spellcheck={false} class="code" aria-describedby="json-state">
        {`\n${text}`}
      </textarea>
      <p id="json-state" role="status" class="hint" />
      <label>
        Comment: why
        <input type="text" name="comment" maxlength={1000} value={comment} />
      </label>
      <label>
        <input type="checkbox" name="force" value="true" /> Also where the latest config does not meet it
      </label>
      <button type="submit" name="step" value="set">
        Set the schema
      </button>
      {isSet ? (
        <button type="submit" name="step" value="delete" class="secondary">
          Delete the schema
        </button>
      ) : null}
    </form>
  </details>
)

/** The schema that configs have to meet: `/console/schema`. */
export function schemaRoutes({ schema, assets, address }: ConsoleParts) {
  const show = (c: Context, above: { readonly problem?: ApiError; readonly text?: string; readonly comment?: string }, status: 200 | 400 | 413 | 503 = 200) => {
    const session = sessionOf(c)
    const { stored } = schema
    const text = above.text ?? prettyJson(stored?.schema ?? { type: 'object', required: ['url'], properties: { url: { type: 'string' } } })
    return showPage(
      c,
      assets,
      session,
      {
        title: 'Config schema',
        place: 'configs',
        same: { dcm: 'dcm schema get\ndcm schema set schema.json', request: { path: '/config/schema' } },
        children: (
          <>
            {above.problem ? <Problem error={above.problem} /> : null}
            {stored === undefined ? (
              <Empty>No schema is in force: a config may hold anything that the contract takes.</Empty>
            ) : (
              <>
                <p>
                  In force since <Time at={stored.set_at} />, set by {stored.set_by}. Every publish and every rollback has to meet it.
                </p>
                <Scroll label="The schema">
                  <pre class="data">{prettyJson(stored.schema)}</pre>
                </Scroll>
              </>
            )}
            {may(session.caller, 'admin') ? <Edit text={text} comment={above.comment ?? ''} session={session} isSet={stored !== undefined} /> : null}
          </>
        ),
      },
      status,
    )
  }
  return new Hono()
    .get('/schema', requires('publish', 'read the config schema'), (c) => show(c, {}))
    .post('/schema', requires('admin', 'set the config schema'), async (c) => {
      const fields = await readOwnForm(c, 2 * MAX_SCHEMA_BYTES + FORM_BYTES)
      const text = (fields.get('schema') ?? '').replaceAll('\r\n', '\n')
      const comment = fields.get('comment') ?? ''
      const why = comment === '' ? undefined : comment.slice(0, 1000)
      try {
        if (fields.get('step') === 'delete') await schema.remove(actorOf(c, address), why)
        else await schema.set(schemaIn(text), { force: fields.get('force') === 'true', comment: why }, actorOf(c, address))
        return c.redirect('/console/schema', 303)
      } catch (error) {
        const problem = asRefusal(error)
        if (problem.code === 'NOT_FOUND') throw problem
        return show(c, { problem, text, comment }, problem.status === 413 || problem.status === 503 ? problem.status : 400)
      }
    })
}
