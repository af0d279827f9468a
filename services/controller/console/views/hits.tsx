import { randomUUID } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { hitStatuses } from '#lib/contract/hit.ts'
import { type HitStats, type HitsPage, HitsQuerySchema, type ListedHit } from '#lib/contract/hits.ts'
import { requires } from '#lib/http/caller.ts'
import { ApiError } from '#lib/http/errors.ts'
import type { ConsoleParts } from '../console.ts'
import { Csrf, showPage } from '../page.tsx'
import { VersionLink } from '../parts/agent-link.tsx'
import { HitTable } from '../parts/fleet-hits.tsx'
import { count, duration } from '../parts/numbers.ts'
import { Empty, Figure, Scroll, State } from '../parts/pieces.tsx'
import { queryOf, queryText } from '../parts/query.ts'
import { Time } from '../parts/time.tsx'
import { readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import type { Session } from '../session/sessions.ts'
import type { ConsoleWorker } from '../worker.ts'
import { asRefusal, Problem } from './problem.tsx'

/** How many hits a page shows. */
const PAGE = 50

/**
 * The worker whose hits are shown.
 * @throws ApiError NOT_FOUND where there is none
 */
export function workerOf({ consoleWorker }: Pick<ConsoleParts, 'consoleWorker'>): ConsoleWorker {
  if (consoleWorker === undefined)
    throw new ApiError(
      'NOT_FOUND',
      'Cannot show hits: this controller knows no worker; set CONSOLE_WORKER_URL to that of one (and WORKER_API_KEY to its key), and start it again',
    )
  return consoleWorker
}

const Percentiles = ({ name, of }: { readonly name: string; readonly of: HitStats['wait_ms'] }) => (
  <Figure name={name} note={of.p99 === null ? null : `99% within ${duration(of.p99)}`}>
    {of.p50 === null ? '–' : duration(of.p50)}
  </Figure>
)

const Stats = ({ stats }: { readonly stats: HitStats }) => (
  <>
    {stats.paused ? (
      <p role="status">
        <State of="warning">Paused: no hit begins until it is resumed.</State>
      </p>
    ) : null}
    <dl class="figures">
      <Figure name="Queued" note={stats.oldest_queued_seconds === null ? null : `the oldest for ${duration(stats.oldest_queued_seconds * 1000)}`}>
        {count(stats.queued)}
      </Figure>
      <Figure name="Under way">{count(stats.active)}</Figure>
      <Figure name="Wait to be tried again">{count(stats.delayed)}</Figure>
      <Figure name="Completed" note="within the last hour">
        {count(stats.completed)}
      </Figure>
      <Figure name="Failed" note="within the last hour">
        {count(stats.failed)}
      </Figure>
      <Percentiles name="Half began within" of={stats.wait_ms} />
      <Percentiles name="Half took" of={stats.run_ms} />
      <Figure name="Queue">{stats.engine}</Figure>
    </dl>
    {stats.destinations.length === 0 ? null : (
      <Scroll label="Destinations">
        <table class="rows">
          <thead>
            <tr>
              <th scope="col">Destination</th>
              <th scope="col">Breaker</th>
              <th scope="col" class="number">
                Under way
              </th>
              <th scope="col" class="number">
                Wait for a slot
              </th>
              <th scope="col">Tried again</th>
            </tr>
          </thead>
          <tbody>
            {stats.destinations.map(({ origin, circuit, active, waiting, reopens_at }) => (
              <tr>
                <th scope="row">{origin}</th>
                <td>
                  <State of={circuit} />
                </td>
                <td class="number">{count(active)}</td>
                <td class="number">{count(waiting)}</td>
                <td>{reopens_at === undefined ? '' : <Time at={reopens_at} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    )}
    {stats.versions.length === 0 ? null : <HitTable outcomes={stats.versions} />}
  </>
)

const Actions = ({ session, paused, failed }: { readonly session: Session; readonly paused: boolean; readonly failed: number }) => (
  <div class="filters">
    <form method="post" action="/console/hits/try">
      <Csrf session={session} />
      <input type="hidden" name="once" value={randomUUID()} />
      <button type="submit">Try one hit</button>
    </form>
    <form method="post" action={`/console/hits/${paused ? 'resume' : 'pause'}`}>
      <Csrf session={session} />
      <button type="submit" class="secondary">
        {paused ? 'Resume: let hits begin' : 'Pause: let no hit begin'}
      </button>
    </form>
    {failed === 0 ? null : (
      <details>
        <summary>Run all failed hits again</summary>
        <form method="post" action="/console/hits/retry">
          <Csrf session={session} />
          <button type="submit" class="secondary">
            Run {count(failed)} failed hits again
          </button>
        </form>
      </details>
    )}
  </div>
)

const Row = ({ hit }: { readonly hit: ListedHit }) => (
  <tr>
    <th scope="row">
      <a href={`/console/hits/${encodeURIComponent(hit.task_id)}`}>{hit.task_id.slice(0, 8)}</a>
    </th>
    <td>
      <State of={hit.status} />
      {hit.status_code === undefined ? '' : ` ${hit.status_code}`}
    </td>
    <td>
      {hit.method} {hit.url.slice(0, 300)}
    </td>
    <td>
      <VersionLink version={hit.config_version} />
    </td>
    <td class="number">{count(hit.attempts)}</td>
    <td>
      <Time at={hit.finished_at ?? hit.enqueued_at} />
    </td>
    <td>{(hit.error ?? '').slice(0, 300)}</td>
  </tr>
)

const List = ({ page, state }: { readonly page: HitsPage; readonly state: string | undefined }) => (
  <>
    <nav aria-label="By state" class="states">
      {[undefined, ...hitStatuses].map((one) => (
        <a href={`/console/hits${queryText({ state: one })}`} {...(one === state ? { 'aria-current': 'page' as const } : {})}>
          {one ?? 'all'}
        </a>
      ))}
    </nav>
    {page.hits.length === 0 ? (
      <Empty>There is no such hit. Results are kept for an hour.</Empty>
    ) : (
      <Scroll label="Hits">
        <table class="rows">
          <thead>
            <tr>
              <th scope="col">Task</th>
              <th scope="col">State</th>
              <th scope="col">Request</th>
              <th scope="col">Version</th>
              <th scope="col" class="number">
                Attempts
              </th>
              <th scope="col">Ended, or queued</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {page.hits.map((hit) => (
              <Row hit={hit} />
            ))}
          </tbody>
        </table>
      </Scroll>
    )}
    <nav class="pager" aria-label="Pages">
      <a href={`/console/hits${queryText({ state })}`}>First page</a>
      {page.next_cursor === undefined ? null : (
        <a rel="next" href={`/console/hits${queryText({ state, cursor: page.next_cursor })}`}>
          Next page
        </a>
      )}
    </nav>
  </>
)

/** The hits of a worker: `/console/hits`. */
export function hitsRoutes(parts: ConsoleParts) {
  const { assets, live } = parts
  const statsPart = async () => <Stats stats={await workerOf(parts).stats()} />

  const show = async (c: Context) => {
    const session = sessionOf(c)
    const query = queryOf(c, HitsQuerySchema)
    const common = { title: 'Hits', place: 'hits' as const }
    const same = {
      dcm: `dcm hits${query.state === undefined ? '' : ` --state ${query.state}`}\ndcm hits stats\ndcm hit --wait`,
      request: { path: `/hits${queryText({ state: query.state, limit: PAGE })}`, base: 'WORKER_URL' as const },
    }
    try {
      const worker = workerOf(parts)
      const [stats, page] = await Promise.all([worker.stats(), worker.list({ ...query, limit: PAGE })])
      return showPage(c, assets, session, {
        ...common,
        same,
        children: (
          <>
            <p>
              Of the worker at <code>{worker.url}</code>, and of those that share its queue.
            </p>
            <Actions session={session} paused={stats.paused} failed={stats.failed} />
            <div hx-sse:connect="/console/live/hits" hx-swap="innerMorph">
              <Stats stats={stats} />
            </div>
            <h2>Hits</h2>
            <List page={page} state={query.state} />
          </>
        ),
      })
    } catch (error) {
      const problem = asRefusal(error)
      if (problem.code === 'INVALID_REQUEST') throw problem
      return showPage(c, assets, session, { ...common, same, children: <Problem error={problem} /> }, problem.status === 404 ? 404 : 503)
    }
  }

  return new Hono()
    .use('/hits', requires('publish', 'see the hits'))
    .use('/hits/*', requires('publish', 'see the hits'))
    .get('/hits', show)
    .get('/live/hits', requires('publish', 'see the hits'), (c) => live.stream(c, 'hits', async () => String(await statsPart())))
    .post('/hits/try', async (c) => {
      const fields = await readOwnForm(c)
      const { task_id } = await workerOf(parts).hit(fields.get('once') || randomUUID())
      return c.redirect(`/console/hits/${encodeURIComponent(task_id)}`, 303)
    })
    .post('/hits/retry', async (c) => {
      await readOwnForm(c)
      const worker = workerOf(parts)
      // Each call takes a bounded part of them.
      for (let rounds = 0; rounds < 100 && (await worker.retryFailed()).remaining; rounds++);
      return c.redirect('/console/hits', 303)
    })
    .post('/hits/:what{pause|resume}', async (c) => {
      await readOwnForm(c)
      await workerOf(parts).setPaused(c.req.param('what') === 'pause')
      return c.redirect('/console/hits', 303)
    })
}
