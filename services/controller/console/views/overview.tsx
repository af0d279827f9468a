import { Hono } from 'hono'
import type { HistoryEntry } from '#lib/contract/history.ts'
import { requires } from '#lib/http/caller.ts'
import { readHistory } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { showPage } from '../page.tsx'
import { VersionLink } from '../parts/agent-link.tsx'
import { Attention } from '../parts/attention.tsx'
import { Convergence } from '../parts/convergence.tsx'
import { FleetHits, hitsOf } from '../parts/fleet-hits.tsx'
import { count, duration, percent } from '../parts/numbers.ts'
import { Empty, Figure, Meter } from '../parts/pieces.tsx'
import { Relays } from '../parts/relays.tsx'
import { Time } from '../parts/time.tsx'
import { sessionOf } from '../session/guard.ts'
import { watchWorker } from '../worker-watch.ts'

const same = { dcm: 'dcm status --watch', request: { path: '/status' } }

/** Of the versions that agents run, how many are listed. */
const VERSIONS = 10

const ByVersion = ({ byVersion, online }: { readonly byVersion: Readonly<Record<string, number>>; readonly online: number }) => {
  const all = Object.entries(byVersion).sort(([a], [b]) => (a === 'none' ? 1 : b === 'none' ? -1 : Number(b) - Number(a)))
  if (all.length === 0) return <Empty>No agent is online.</Empty>
  const more = all.slice(VERSIONS)
  return (
    <table aria-label="Online agents by the version that their worker runs">
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col" class="number">
            Agents
          </th>
          <th scope="col">
            <span class="visually-hidden">Share</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {all.slice(0, VERSIONS).map(([version, agents]) => (
          <tr>
            <th scope="row">{version === 'none' ? 'none that it told' : <VersionLink version={Number(version)} />}</th>
            <td class="number">{version === 'none' ? count(agents) : <a href={`/console/agents?version=${version}&online=true`}>{count(agents)}</a>}</td>
            <td class="wide">
              <Meter label={`version ${version}`} value={agents} max={online} />
            </td>
          </tr>
        ))}
        {more.length === 0 ? null : (
          <tr>
            <th scope="row">{more.length} older</th>
            <td class="number">{count(more.reduce((sum, [, agents]) => sum + agents, 0))}</td>
            <td />
          </tr>
        )}
      </tbody>
    </table>
  )
}

/** What the fleet runs: `/console`. */
export function overviewRoutes(parts: ConsoleParts) {
  const { fleet, feed, live, assets, health, consoleWorker } = parts
  const workerNews = watchWorker(consoleWorker)
  let entry: Promise<HistoryEntry | undefined> | undefined
  let entryOf: number | undefined
  /** Who published the latest version: read once for each version, and not at each look. */
  const latestEntry = (): Promise<HistoryEntry | undefined> => {
    const version = feed.current?.version
    if (entry === undefined || entryOf !== version) {
      entryOf = version
      entry = readHistory(parts, { limit: 1 }).then(({ configs }) => configs[0])
      entry.catch(() => {
        entry = undefined
      })
    }
    return entry
  }

  const part = async () => {
    const [status, picture, { warnings }, latest] = await Promise.all([fleet.status(), fleet.picture(), health.health(), latestEntry()])
    const { agents } = status
    const hits = hitsOf(status)
    return (
      <>
        <Attention attention={picture.attention} warnings={warnings} worker={workerNews()} />
        <dl class="figures">
          <Figure
            name="Latest version"
            note={
              latest ? (
                <>
                  by {latest.author ?? latest.published_by ?? 'nobody named'}, <Time at={latest.created_at} />
                  {latest.comment ? ` “${latest.comment.slice(0, 200)}”` : null}
                  {latest.version > 1 ? (
                    <>
                      {' · '}
                      <a href={`/console/rollback/${latest.version - 1}`}>roll back to {latest.version - 1}</a>
                    </>
                  ) : null}
                </>
              ) : null
            }
          >
            <VersionLink version={status.latest_version} />
          </Figure>
          <Figure name="Applied the latest" note={agents.reporting === 0 ? 'no agent that reports is online' : `of ${count(agents.reporting)} that report`}>
            {status.converged_ratio === null ? '–' : percent(status.converged_ratio)}
          </Figure>
          <Figure name="Agents online" note={`of ${count(agents.total)}`}>
            <a href="/console/agents?online=true">{count(agents.online)}</a>
          </Figure>
          <Figure name="Failed">
            <a href="/console/agents?state=failed&online=true">{count(agents.by_state.failed ?? 0)}</a>
          </Figure>
          <Figure name="Hits a minute" note={hits.success === null ? 'none in the last 5 minutes' : `${percent(hits.success)} completed`}>
            {count(hits.perMinute)}
          </Figure>
          <Figure name="Hits: half within" note={hits.p99 === null ? null : `99% within ${duration(hits.p99)}`}>
            {hits.p50 === null ? '–' : duration(hits.p50)}
          </Figure>
        </dl>
        <section aria-labelledby="convergence">
          <h2 id="convergence">The last publish</h2>
          <Convergence status={status} timeline={fleet.timeline()} />
        </section>
        <div class="columns">
          <section aria-labelledby="versions">
            <h2 id="versions">Versions</h2>
            <ByVersion byVersion={agents.by_version} online={agents.online} />
          </section>
          <section aria-labelledby="relays">
            <h2 id="relays">Relays</h2>
            <Relays tree={picture.relays} />
          </section>
          <section aria-labelledby="hits">
            <h2 id="hits">Hits by version</h2>
            <FleetHits status={status} />
          </section>
        </div>
      </>
    )
  }

  return new Hono()
    .use('/', requires('fleet', 'see the fleet'))
    .get('/', async (c) =>
      showPage(c, assets, sessionOf(c), {
        title: 'Overview',
        place: 'overview',
        same,
        children: (
          <div hx-sse:connect="/console/live/overview" hx-swap="innerMorph">
            {await part()}
          </div>
        ),
      }),
    )
    .get('/live/overview', requires('fleet', 'see the fleet'), (c) => live.stream(c, 'overview', async () => String(await part())))
}
