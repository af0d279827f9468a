import { type Context, Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { DEFAULT_POLL_INTERVAL_SECONDS, type PublishRequest } from '#lib/contract/config.ts'
import { requires } from '#lib/http/caller.ts'
import { ApiError, invalidPart } from '#lib/http/errors.ts'
import { etagOf } from '#lib/http/etag.ts'
import { actorOf } from '../../actor.ts'
import { slicesOf } from '../../fleet/slices.ts'
import { observedPublish } from '../../observed-publish.ts'
import { dryRun, storedVersion } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { prettyJson } from '../diff/json-lines.ts'
import { showPage } from '../page.tsx'
import { type Draft, draftOf, newFormKey, publicationOf } from '../parts/draft.ts'
import { latestVersion } from '../parts/version.tsx'
import { Violations } from '../parts/violations.tsx'
import { FORM_BYTES, readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import { Confirmation, Editor } from './editor.tsx'
import { Change, Reach, refusal, sameAs } from './publish-pages.tsx'

/** How much larger than its config a text may be: what people read is indented. */
const INDENTED = 2

const firstText = '{\n  "url": "https://example.com/ping"\n}'

/** Publishing from the browser: `/console/publish`. It works without scripts as a form of two steps. */
export function publishRoutes(parts: ConsoleParts) {
  const mostText = INDENTED * parts.config.maxConfigBytes

  const page = (c: Context, title: string, draft: Draft, children: Child, options: { status?: ContentfulStatusCode; isDryRun?: boolean } = {}) =>
    showPage(c, parts.assets, sessionOf(c), { title, place: 'publish', same: sameAs(draft, options.isDryRun ?? false), children }, options.status ?? 200)

  /** The editor, with what was wrong above it. */
  const editor = (c: Context, draft: Draft, above: Child, status: ContentfulStatusCode = 200, problems: Parameters<typeof Editor>[0]['problems'] = []) =>
    page(
      c,
      'Publish',
      draft,
      <>
        {above}
        <Editor session={sessionOf(c)} draft={draft} problems={problems} />
      </>,
      { status },
    )

  /** The editor again, with what was thrown; what was written is kept. */
  const refused = (c: Context, draft: Draft, error: unknown) => {
    if (!(error instanceof ApiError) || error.code === 'INTERNAL') throw error
    const latest = latestVersion(parts)
    // From here on it stands on what was shown; and a key that came with another request is used up.
    const next = {
      ...draft,
      ...(error.code === 'VERSION_CONFLICT' ? { base: latest } : {}),
      ...(error.code === 'IDEMPOTENCY_KEY_REUSED' ? { formKey: newFormKey() } : {}),
    }
    return editor(c, next, refusal(c, parts, error, draft, sessionOf(c)), error.status, error.details)
  }

  const preview = async (c: Context, draft: Draft, publication: PublishRequest) => {
    const run = await dryRun(parts, publication, etagOf(draft.base))
    const change = <Change parts={parts} run={run} what="yours" />
    const next = run.would_publish.version
    if (run.violations.length > 0)
      return editor(
        c,
        draft,
        <>
          <Violations title="It does not meet the config schema, and cannot be published:" violations={run.violations} />
          {change}
        </>,
        200,
        run.violations,
      )
    return page(
      c,
      `Publish version ${next}?`,
      draft,
      <>
        {change}
        <Reach fleet={parts.fleet} />
        {draft.comment === '' ? null : <p>Comment: {draft.comment}</p>}
        <Confirmation session={sessionOf(c)} draft={draft}>
          <button type="submit" name="step" value="publish">
            Publish version {next}
          </button>
          <button type="submit" name="step" value="edit" class="secondary">
            Write on
          </button>
        </Confirmation>
      </>,
      { isDryRun: true },
    )
  }

  const publish = async (c: Context, draft: Draft, publication: PublishRequest) => {
    const conditions = { ifMatch: etagOf(draft.base), idempotencyKey: draft.formKey, traceparent: c.req.header('traceparent') }
    const { config } = await observedPublish(parts, publication, conditions, actorOf(c, parts.address))
    return c.redirect(`/console/configs/${config.version}`, 303)
  }

  return new Hono()
    .get('/publish', requires('publish', 'publish'), async (c) => {
      const base = latestVersion(parts)
      const asked = c.req.query('from')
      if (asked !== undefined && !/^\d{1,15}$/.test(asked)) throw invalidPart('query.from', 'expected a version')
      const from = asked === undefined ? base : Number(asked)
      const config = asked === undefined && base === 0 ? undefined : await storedVersion(parts, from)
      const draft: Draft = {
        base,
        formKey: newFormKey(),
        text: config ? await prettyJson(config.data, slicesOf(parts.clock), mostText) : firstText,
        interval: String(config?.poll_interval_seconds ?? DEFAULT_POLL_INTERVAL_SECONDS),
        comment: '',
      }
      const above =
        config === undefined ? <p>No config is published yet: this is the first.</p> : from === base ? null : <p>With the content of version {from}.</p>
      return editor(c, draft, above)
    })
    .post('/publish', requires('publish', 'publish'), async (c) => {
      const fields = await readOwnForm(c, mostText + FORM_BYTES)
      const draft = draftOf(fields)
      const step = fields.get('step') ?? 'preview'
      if (step === 'edit') return editor(c, draft, null)
      const read = publicationOf(draft)
      if ('problems' in read) return editor(c, draft, <Violations title="It cannot be published so:" violations={read.problems} />, 400, read.problems)
      try {
        return await (step === 'publish' ? publish : preview)(c, draft, read.publication)
      } catch (error) {
        return refused(c, draft, error)
      }
    })
}
