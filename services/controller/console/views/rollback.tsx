import { randomUUID } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { requires } from '#lib/http/caller.ts'
import type { ApiError } from '#lib/http/errors.ts'
import { actorOf } from '../../actor.ts'
import { observedPublish } from '../../observed-publish.ts'
import { dryRun, rollbackOf, storedVersion } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { Csrf, showPage } from '../page.tsx'
import { count } from '../parts/numbers.ts'
import { SideBySide } from '../parts/side-by-side.tsx'
import { readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import { Problem } from './problem.tsx'
import { asRefusal } from './publish-form.ts'
import { versionIn } from './version.tsx'

/** Going back: `/console/rollback/:version`, with what that changes before it is done. */
export function rollbackRoutes(parts: ConsoleParts) {
  const { assets, feed, fleet, address } = parts
  const show = async (c: Context, version: number, comment: string, problem?: ApiError) => {
    const session = sessionOf(c)
    const current = feed.current?.version
    const latest = current === undefined ? undefined : await storedVersion(parts, current)
    const publication = await rollbackOf(parts, { version })
    const [tried, { agents }] = await Promise.all([dryRun(parts, publication, undefined), fleet.status()])
    return showPage(
      c,
      assets,
      session,
      {
        title: `Roll back to version ${version}`,
        place: 'configs',
        same: {
          dcm: `dcm rollback ${version} --dry-run\ndcm rollback ${version} --wait`,
          request: { method: 'POST', path: '/config/rollback', body: JSON.stringify({ version, comment: '…' }) },
        },
        children: (
          <>
            {problem === undefined ? null : <Problem error={problem} />}
            <p>
              The content of version {version} is published again, as version {tried.would_publish.version}: versions only go up. It reaches{' '}
              {count(agents.online)} online {agents.online === 1 ? 'agent' : 'agents'}.
            </p>
            <SideBySide from={latest} to={tried.would_publish} names={[`Version ${latest?.version ?? 0}, the latest`, `As version ${version} was`]} />
            {tried.violations.length > 0 ? (
              <div class="problem" role="alert">
                <p>
                  <strong>The config schema refuses it today:</strong>
                </p>
                <ul>
                  {tried.violations.map(({ path, message }) => (
                    <li>
                      <code>{path}</code>: {message}
                    </li>
                  ))}
                </ul>
              </div>
            ) : (
              <form method="post" action={`/console/rollback/${version}`}>
                <Csrf session={session} />
                <input type="hidden" name="began" value={latest?.version ?? 0} />
                <input type="hidden" name="once" value={randomUUID()} />
                <label>
                  Comment: why
                  <input type="text" name="comment" value={comment} maxlength={1000} />
                </label>
                <button type="submit">Roll back to version {version}</button>
              </form>
            )}
          </>
        ),
      },
      problem?.code === 'VERSION_CONFLICT' ? 412 : problem === undefined ? 200 : 400,
    )
  }

  return new Hono()
    .use('/rollback/*', requires('publish', 'roll back'))
    .get('/rollback/:version', (c) => show(c, versionIn(c.req.param('version')), ''))
    .post('/rollback/:version', async (c) => {
      const fields = await readOwnForm(c)
      const version = versionIn(c.req.param('version'))
      const comment = fields.get('comment') ?? ''
      const once = fields.get('once')
      try {
        const publication = await rollbackOf(parts, { version, ...(comment === '' ? {} : { comment: comment.slice(0, 1000) }) })
        const conditions = { ifMatch: `"${fields.get('began') ?? ''}"`, ...(once ? { idempotencyKey: once } : {}) }
        const { config } = await observedPublish(parts, publication, conditions, actorOf(c, address))
        return c.redirect(`/console/configs/${config.version}`, 303)
      } catch (error) {
        const problem = asRefusal(error)
        if (problem.code === 'NOT_FOUND') throw problem
        return show(c, version, comment, problem)
      }
    })
}
