import { type Context, Hono } from 'hono'
import { type HitResult, isFinalStatus } from '#lib/contract/hit.ts'
import type { ConsoleParts } from '../console.ts'
import { Csrf, showPage } from '../page.tsx'
import { VersionLink } from '../parts/agent-link.tsx'
import { AnswerBody } from '../parts/answer-body.tsx'
import { count, duration } from '../parts/numbers.ts'
import { Phases } from '../parts/phases.tsx'
import { Empty, Figure, Scroll, State } from '../parts/pieces.tsx'
import { word } from '../parts/shell.ts'
import { Time } from '../parts/time.tsx'
import { readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import { workerOf } from './hits.tsx'

const Attempts = ({ history }: { readonly history: NonNullable<HitResult['history']> }) => (
  <Scroll label="Attempts">
    <table class="rows">
      <thead>
        <tr>
          <th scope="col">Attempt</th>
          <th scope="col">Began</th>
          <th scope="col" class="number">
            Took
          </th>
          <th scope="col">Answer</th>
          <th scope="col">Why not</th>
        </tr>
      </thead>
      <tbody>
        {history.map(({ attempt, started_at, total_ms, status_code, error_class, error }) => (
          <tr>
            <th scope="row">{attempt}</th>
            <td>
              <Time at={started_at} />
            </td>
            <td class="number">{duration(total_ms)}</td>
            <td>{status_code ?? '–'}</td>
            <td>
              {error_class === undefined ? '' : `${error_class.replaceAll('_', ' ')}: `}
              {error ?? ''}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </Scroll>
)

const Headers = ({ headers }: { readonly headers: Readonly<Record<string, string>> }) => (
  <Scroll label="Headers of the answer">
    <table>
      <tbody>
        {Object.entries(headers).map(([name, value]) => (
          <tr>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </Scroll>
)

const Result = ({ hit }: { readonly hit: HitResult }) => (
  <>
    <dl class="figures">
      <Figure name="State">
        <State of={hit.status} />
      </Figure>
      <Figure name="Answer">{hit.status_code ?? '–'}</Figure>
      <Figure name="Took">{hit.timings === undefined ? '–' : duration(hit.timings.total)}</Figure>
      <Figure name="Attempts">{count(hit.attempts ?? 0)}</Figure>
      <Figure name="Config version">
        <VersionLink version={hit.config_version ?? null} none="not told" />
      </Figure>
      <Figure name="Queued">{hit.enqueued_at === undefined ? '–' : <Time at={hit.enqueued_at} />}</Figure>
      <Figure name="Ended">{hit.finished_at === undefined ? '–' : <Time at={hit.finished_at} />}</Figure>
    </dl>
    <p role="status">{isFinalStatus(hit.status) ? '' : 'It has not ended yet; this page shows when it has.'}</p>
    {hit.error === undefined ? null : (
      <div class="problem">
        <p>
          <strong>{(hit.error_class ?? 'failed').replaceAll('_', ' ')}:</strong> {hit.error}
        </p>
      </div>
    )}
    {hit.timings === undefined ? null : (
      <>
        <h2>Where the time went</h2>
        <Phases timings={hit.timings} />
      </>
    )}
    {hit.history === undefined || hit.history.length === 0 ? null : (
      <>
        <h2>Attempts</h2>
        <Attempts history={hit.history} />
      </>
    )}
    {hit.status_code === undefined ? null : (
      <>
        <h2>Headers of the answer</h2>
        {hit.headers === undefined || Object.keys(hit.headers).length === 0 ? <Empty>None were kept.</Empty> : <Headers headers={hit.headers} />}
        <h2>Body of the answer</h2>
        <AnswerBody result={hit} />
      </>
    )}
    {hit.request_id === undefined ? null : (
      <p>
        <small>
          Queued by the request <code>{hit.request_id}</code>: log lines about it have that id.
        </small>
      </p>
    )}
  </>
)

/** One hit: `/console/hits/:taskId`; who may see it, the routes of all hits say. */
export function hitRoutes(parts: ConsoleParts) {
  const { assets, live } = parts
  const show = async (c: Context) => {
    const taskId = c.req.param('taskId') ?? ''
    const session = sessionOf(c)
    const hit = await workerOf(parts).find(taskId)
    const path = `/console/hits/${encodeURIComponent(taskId)}`
    return showPage(c, assets, session, {
      title: `Hit ${taskId.slice(0, 8)}`,
      place: 'hits',
      same: { dcm: `dcm hits show ${word(taskId)}`, request: { path: `/hit/${encodeURIComponent(taskId)}`, base: 'WORKER_URL' } },
      children: (
        <>
          <div hx-sse:connect={`${path}/live`} hx-swap="innerMorph">
            <Result hit={hit} />
          </div>
          {isFinalStatus(hit.status) ? (
            <form method="post" action={`${path}/retry`}>
              <Csrf session={session} />
              <button type="submit" class="secondary">
                Run it again
              </button>
            </form>
          ) : null}
        </>
      ),
    })
  }
  return new Hono()
    .get('/hits/:taskId', show)
    .get('/hits/:taskId/live', (c) => {
      const taskId = c.req.param('taskId')
      const worker = workerOf(parts)
      return live.stream(c, `hit ${taskId}`, async () => String(<Result hit={await worker.find(taskId)} />))
    })
    .post('/hits/:taskId/retry', async (c) => {
      await readOwnForm(c)
      const taskId = c.req.param('taskId')
      await workerOf(parts).retry(taskId)
      return c.redirect(`/console/hits/${encodeURIComponent(taskId)}`, 303)
    })
}
