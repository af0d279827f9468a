import type { Report } from '#lib/contract/fleet.ts'
import type { Sign } from '#lib/distribution/followers.ts'
import { claimOf } from '#lib/distribution/ownership.ts'
import { type Entry, NEVER } from './entry.ts'

/**
 * Notes below which relay an agent is; what was said of its connection elsewhere is over with that.
 * @param relayId the relay below that it follows; undefined: it follows this one
 */
export function moveTo(entry: Entry, relayId: string | undefined): void {
  if (entry.relayId === relayId) return
  Object.assign(entry, { relayId, connected: entry.drops.size > 0 })
}

/**
 * Notes what an agent's own request says.
 * @param now by the monotonic clock
 * @returns whether it is news
 */
export function hear(entry: Entry, { heldVersion, via, caller }: Sign, now: number): boolean {
  const held = heldVersion ?? entry.held
  const changed = held !== entry.held || via !== entry.via || entry.toldAt === NEVER
  Object.assign(entry, { held, via, speaker: claimOf(caller), heardAt: now })
  return changed
}

/**
 * Takes an agent's report; it is news.
 * @param latest the version that this relay serves; null: none
 * @param now by the monotonic clock
 */
export function takeReport(entry: Entry, report: Report, latest: number | null, now: number): void {
  // What its worker was given it holds (a stream says nothing of that), but a late report does not take back a newer
  // version. Where what was held is beyond the latest, the controller was restored, and the agent went back with it.
  const isHeld = entry.held === null || report.version > entry.held || entry.held > (latest ?? 0)
  Object.assign(entry, { report, reportUnsent: true, heardAt: now, ...(isHeld ? { held: report.version } : {}) })
}
