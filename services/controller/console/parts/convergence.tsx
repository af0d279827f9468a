import type { Timeline } from '#lib/contract/fleet-picture.ts'
import type { FleetStatus } from '#lib/contract/fleet-status.ts'
import { count, duration, percent } from './numbers.ts'
import { Empty, Figure, Meter, State } from './pieces.tsx'

/** The lines of the chart: what each is called and what it is drawn in. */
const lines = ['applied', 'failed', 'pending', 'offline'] as const

/** What the chart draws. Whoever applies just now is pending still. */
function chartData({ points }: Timeline): string {
  // On a logarithmic axis there is no zero.
  const x = points.map(({ ms }) => Math.max(ms, 1))
  const series = lines.map((kind) => ({
    name: kind,
    kind,
    y: points.map((point) => (kind === 'pending' ? point.pending + point.applying : point[kind])),
  }))
  return JSON.stringify({ axis: 'since the publish', log: true, x, series })
}

/** Said to those who do not see, each time that it changes: by quarters, since a voice is slow. */
function said({ last_publish, converged_ratio, agents }: FleetStatus): string {
  if (last_publish === null || converged_ratio === null) return ''
  const failed = agents.by_state.failed ?? 0
  const problem = failed > 0 ? `, ${count(failed)} failed` : ''
  if (converged_ratio === 1) return `Version ${last_publish.version} is applied everywhere.`
  return `Version ${last_publish.version}: more than ${Math.floor(converged_ratio * 4) * 25}% applied${problem}.`
}

const Bar = ({ name, value, of }: { readonly name: (typeof lines)[number]; readonly value: number; readonly of: number }) => (
  <tr>
    <th scope="row">
      <State of={name} />
    </th>
    <td class="number">{count(value)}</td>
    <td class="wide">
      <Meter label={name} value={value} max={of} kind={name} />
    </td>
  </tr>
)

/** How the last publish comes to the fleet: a chart, the counts of this moment, and how long it took. */
export const Convergence = ({ status, timeline }: { readonly status: FleetStatus; readonly timeline: Timeline }) => {
  const last = timeline.points.at(-1)
  if (status.last_publish === null || last === undefined) return <Empty>Nothing was published yet.</Empty>
  const { propagation_ms: took, converged_in_ms: converged } = status.last_publish
  const pending = last.pending + last.applying
  const all = last.applied + last.failed + pending + last.offline
  return (
    <>
      <p role="status" class="visually-hidden">
        {said(status)}
      </p>
      <div class="columns">
        <dcm-chart
          data={chartData(timeline)}
          hx-morph-skip-children
          role="img"
          aria-label="Agents that have applied the latest version, over the time since the publish; the table beside it has the counts"
        />
        <div>
          <table aria-label="Agents that report, by what they made of the latest version">
            <tbody>
              <Bar name="applied" value={last.applied} of={all} />
              <Bar name="failed" value={last.failed} of={all} />
              <Bar name="pending" value={pending} of={all} />
              <Bar name="offline" value={last.offline} of={all} />
            </tbody>
          </table>
          <dl class="figures">
            <Figure name="Converged" note={status.converged_ratio === 1 && converged !== undefined ? `after ${duration(converged)}` : null}>
              {status.converged_ratio === null ? 'nobody reports' : percent(status.converged_ratio)}
            </Figure>
            <Figure name="To half of them">{took ? duration(took.p50) : '–'}</Figure>
            <Figure name="To 99%">{took ? duration(took.p99) : '–'}</Figure>
            <Figure name="To the last so far">{took ? duration(took.max) : '–'}</Figure>
          </dl>
        </div>
      </div>
    </>
  )
}
