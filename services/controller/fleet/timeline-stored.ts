import type { FleetParts } from './fleet.ts'
import type { Roster } from './roster.ts'
import { ConvergenceTimeline } from './timeline.ts'

/**
 * The timeline of the last publish as it was before a restart, as far as its reports were saved.
 * @throws StoreUnavailableError
 */
export async function restoredTimeline({ store, feed, clock }: Pick<FleetParts, 'store' | 'feed' | 'clock'>, roster: Roster): Promise<ConvergenceTimeline> {
  const timeline = new ConvergenceTimeline(clock)
  const config = feed.current?.config
  if (config?.created_at === undefined) return timeline
  const known = [...roster.all()].filter(({ reports }) => reports).length
  timeline.counted(null, { applied: 0, failed: 0, applying: 0, pending: known, offline: 0 })
  const wall = Date.parse(config.created_at)
  // On this start's monotonic clock.
  const at = (ms: number): number => clock.monotonic() - (clock.now() - ms)
  timeline.begin(config.version, wall, at(wall))
  for (const report of await store.reportsOn(config.version)) {
    timeline.moved(config.version, 'pending', report.state, at(report.at))
    const record = roster.get(report.agent_id)
    if (record !== undefined && report.state === 'applied' && record.appliedVersion === config.version) record.appliedAt = at(report.at)
  }
  return timeline
}
