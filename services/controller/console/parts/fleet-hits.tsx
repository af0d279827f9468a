import type { FleetStatus } from '#lib/contract/fleet-status.ts'
import { OUTCOME_WINDOW_SECONDS, type VersionOutcome } from '#lib/contract/outcome.ts'
import { VersionLink } from './agent-link.tsx'
import { count, duration, percent } from './numbers.ts'
import { Empty, Scroll } from './pieces.tsx'

const MINUTES = OUTCOME_WINDOW_SECONDS / 60

/** What became of hits over the fleet, in the last 5 minutes: all together, and the percentiles of the version with most of them. */
export function hitsOf({ hits }: FleetStatus): {
  readonly perMinute: number
  readonly success: number | null
  readonly p50: number | null
  readonly p99: number | null
} {
  const completed = hits.reduce((sum, one) => sum + one.completed, 0)
  const ended = hits.reduce((sum, one) => sum + one.completed + one.failed, 0)
  const most = hits.reduce<VersionOutcome | undefined>((best, one) => (one.latency_ms.count > (best?.latency_ms.count ?? 0) ? one : best), undefined)
  return {
    perMinute: Math.round(ended / MINUTES),
    success: ended === 0 ? null : completed / ended,
    p50: most?.latency_ms.p50 ?? null,
    p99: most?.latency_ms.p99 ?? null,
  }
}

/** Hits by the config version that they were accepted with. */
export const FleetHits = ({ status }: { readonly status: Pick<FleetStatus, 'hits'> }) =>
  status.hits.length === 0 ? <Empty>No agent told of hits in the last 5 minutes.</Empty> : <HitTable outcomes={status.hits} />

/** What became of hits, a row for each version: the last 5 minutes. */
export const HitTable = ({ outcomes }: { readonly outcomes: readonly VersionOutcome[] }) => (
  <Scroll label="Hits by config version">
    <table>
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col" class="number">
            A minute
          </th>
          <th scope="col" class="number">
            Completed
          </th>
          <th scope="col" class="number">
            Half within
          </th>
          <th scope="col" class="number">
            99% within
          </th>
          <th scope="col">Why not</th>
        </tr>
      </thead>
      <tbody>
        {outcomes.map(({ version, completed, failed, success_ratio, latency_ms, by_error_class }) => (
          <tr>
            <th scope="row">
              <VersionLink version={version} />
            </th>
            <td class="number">{count((completed + failed) / MINUTES)}</td>
            <td class="number">{success_ratio === null ? '–' : percent(success_ratio)}</td>
            <td class="number">{latency_ms.p50 === null ? '–' : duration(latency_ms.p50)}</td>
            <td class="number">{latency_ms.p99 === null ? '–' : duration(latency_ms.p99)}</td>
            <td>
              {Object.entries(by_error_class)
                .map(([name, n]) => `${name.replaceAll('_', ' ')} ${count(n)}`)
                .join(', ')}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </Scroll>
)
