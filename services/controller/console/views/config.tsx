import { Hono } from 'hono'
import { requires } from '#lib/http/caller.ts'
import { slicesOf } from '../../fleet/slices.ts'
import type { ConsoleParts } from '../console.ts'
import { prettyJson } from '../diff/json-lines.ts'
import { showPage } from '../page.tsx'
import { Convergence } from '../parts/convergence.tsx'
import { AboutVersion, latestVersion, versionEntry } from '../parts/version.tsx'
import { sessionOf } from '../session/guard.ts'

const Actions = ({ version, latest }: { readonly version: number; readonly latest: number }) => (
  <nav class="actions" aria-label="What to do with this version">
    {version > 1 ? <a href={`/console/configs/compare?from=${version - 1}&to=${version}`}>What it changed</a> : null}
    {version < latest ? <a href={`/console/configs/compare?from=${version}&to=${latest}`}>Compare with the latest</a> : null}
    {version === latest ? <a href="/console/publish">Publish a change</a> : <a href={`/console/publish?from=${version}`}>Publish a change of it</a>}
    {version === latest && version > 1 ? (
      <a class="button" href={`/console/rollback/${version - 1}`}>
        Roll back to {version - 1}
      </a>
    ) : null}
    {version < latest ? (
      <a class="button" href={`/console/rollback/${version}`}>
        Roll back to {version}
      </a>
    ) : null}
  </nav>
)

/** How the latest version comes to the fleet, as it stands now. */
const convergence = async ({ fleet }: Pick<ConsoleParts, 'fleet'>) => <Convergence status={await fleet.status()} timeline={fleet.timeline()} />

/** One version: `/console/configs/7`. */
export function configRoutes(parts: ConsoleParts) {
  const routes = new Hono().get('/live/convergence', requires('fleet', 'see the fleet'), (c) =>
    parts.live.stream(c, 'convergence', async () => String(await convergence(parts))),
  )
  return routes.get('/configs/:version{[0-9]{1,15}}', requires('publish', 'read the history'), async (c) => {
    const version = Number(c.req.param('version'))
    const entry = await versionEntry(parts, version)
    const latest = latestVersion(parts)
    const text = await prettyJson(entry.data, slicesOf(parts.clock), 4 * parts.config.maxConfigBytes)
    return showPage(c, parts.assets, sessionOf(c), {
      title: `Version ${version}`,
      place: 'configs',
      same: { dcm: `dcm get ${version}`, request: { path: `/config/${version}` } },
      children: (
        <>
          <p>
            {version === latest ? (
              'This is the latest version.'
            ) : (
              <>
                The latest is <a href={`/console/configs/${latest}`}>version {latest}</a>.
              </>
            )}
          </p>
          <AboutVersion entry={entry} />
          <Actions version={version} latest={latest} />
          {version === latest ? (
            <section aria-labelledby="convergence">
              <h2 id="convergence">How it comes to the fleet</h2>
              <div hx-sse:connect="/console/live/convergence" hx-swap="innerMorph">
                {await convergence(parts)}
              </div>
            </section>
          ) : null}
          <h2 id="data">Data</h2>
          <section class="data" tabindex={0} aria-labelledby="data">
            <pre>
              <code>{text}</code>
            </pre>
          </section>
          <nav class="pages" aria-label="Versions">
            {version > 1 ? (
              <a href={`/console/configs/${version - 1}`} rel="prev">
                Version {version - 1}
              </a>
            ) : null}
            {version < latest ? (
              <a href={`/console/configs/${version + 1}`} rel="next">
                Version {version + 1}
              </a>
            ) : null}
            <a href="/console/configs">All versions</a>
          </nav>
        </>
      ),
    })
  })
}
