import { type Context, Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { RollbackRequestSchema } from '#lib/contract/history.ts'
import { requires } from '#lib/http/caller.ts'
import { ApiError, invalidRequest } from '#lib/http/errors.ts'
import { etagOf } from '#lib/http/etag.ts'
import { actorOf } from '../../actor.ts'
import { observedPublish } from '../../observed-publish.ts'
import { dryRun, rollbackOf, storedVersion } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { showPage } from '../page.tsx'
import { commentOf, newFormKey, type Steps, stepsOf } from '../parts/draft.ts'
import { word } from '../parts/shell.ts'
import { AboutVersion, latestVersion, versionEntry } from '../parts/version.tsx'
import { Violations } from '../parts/violations.tsx'
import { readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import { Carried } from './editor.tsx'
import { Change, Reach, refusal } from './publish-pages.tsx'

/** A rollback that one is asked about. */
interface Asked extends Steps {
  readonly version: number
  readonly comment: string
}

const sameAs = ({ version, base, comment }: Asked) => ({
  dcm: `dcm rollback ${version} --if-version ${base}${comment === '' ? '' : ` --comment ${word(comment)}`} --wait`,
  request: {
    method: 'POST',
    path: '/config/rollback',
    headers: [`If-Match: "${base}"`],
    body: JSON.stringify({ version, ...commentOf(comment) }),
  },
})

/** Going back to a version, its difference first: `/console/rollback/6`. */
export function rollbackRoutes(parts: ConsoleParts) {
  /** What going back would do, and the button. */
  const Ask = async ({ c, asked }: { readonly c: Context; readonly asked: Asked }) => {
    const { version, base, comment } = asked
    const run = await dryRun(parts, await rollbackOf(parts, { version }), undefined)
    const session = sessionOf(c)
    return (
      <>
        <AboutVersion entry={await versionEntry(parts, version)} />
        <h2>What going back changes</h2>
        <Change parts={parts} run={run} what={`with the content of version ${version}`} />
        {run.violations.length > 0 ? (
          <Violations
            title={`Version ${version} does not meet the config schema that is in force now, and cannot be brought back:`}
            violations={run.violations}
          />
        ) : (
          <>
            <Reach fleet={parts.fleet} />
            <form method="post" action={`/console/rollback/${version}`} class="confirm" data-once>
              <Carried session={session} steps={asked} />
              <label>
                Comment <small>(why; in history and audit)</small>
                <input name="comment" maxlength={1000} value={comment} />
              </label>
              <button type="submit">Roll back to {version}</button>
              <small>
                It comes as version {base + 1}, with the content of version {version}.
              </small>
            </form>
          </>
        )}
        <p>
          <a href={`/console/publish?from=${version}`}>Publish a change of version {version} instead</a>
        </p>
      </>
    )
  }

  const page = (c: Context, asked: Asked, above: Child, status: ContentfulStatusCode = 200) =>
    showPage(
      c,
      parts.assets,
      sessionOf(c),
      {
        title: `Roll back to version ${asked.version}`,
        place: 'configs',
        same: sameAs(asked),
        children: (
          <>
            {above}
            {asked.version === asked.base ? (
              <p class="empty">
                Version {asked.version} is the latest: there is nothing to go back from. <a href="/console/configs">All versions</a>
              </p>
            ) : (
              <Ask c={c} asked={asked} />
            )}
          </>
        ),
      },
      status,
    )

  return new Hono()
    .get('/rollback/:version{[0-9]{1,15}}', requires('publish', 'roll back'), async (c) => {
      const version = Number(c.req.param('version'))
      await storedVersion(parts, version)
      return page(c, { version, base: latestVersion(parts), formKey: newFormKey(), comment: '' }, null)
    })
    .post('/rollback/:version{[0-9]{1,15}}', requires('publish', 'roll back'), async (c) => {
      const fields = await readOwnForm(c)
      const version = Number(c.req.param('version'))
      const asked: Asked = { ...stepsOf(fields), version, comment: (fields.get('comment') ?? '').trim() }
      try {
        const request = RollbackRequestSchema.safeParse({ version, ...commentOf(asked.comment) })
        if (!request.success) throw invalidRequest(request.error, 'json')
        const conditions = { ifMatch: etagOf(asked.base), idempotencyKey: asked.formKey, traceparent: c.req.header('traceparent') }
        const { config } = await observedPublish(parts, await rollbackOf(parts, request.data), conditions, actorOf(c, parts.address))
        return c.redirect(`/console/configs/${config.version}`, 303)
      } catch (error) {
        // Where it cannot be read, or never could go back, there is no page to show again.
        if (!(error instanceof ApiError) || ['INTERNAL', 'NOT_FOUND', 'STORE_UNAVAILABLE'].includes(error.code)) throw error
        const formKey = error.code === 'IDEMPOTENCY_KEY_REUSED' ? newFormKey() : asked.formKey
        return page(c, { ...asked, base: latestVersion(parts), formKey }, refusal(c, parts, error, asked, sessionOf(c)), error.status)
      }
    })
}
