import type { Below, RelayTree } from '#lib/contract/fleet-picture.ts'
import type { Agent } from '#lib/contract/inventory.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Liveness } from './liveness.ts'
import type { AgentRecord } from './record.ts'
import { nobodyBelow, relayTree } from './relay-tree.ts'
import type { Roster } from './roster.ts'
import type { Passes } from './slices.ts'
import { agentView, stateOf } from './view.ts'

/** For how long a picture is given again, in ms. */
const REMEMBER_MS = 250
/** How many agents of a kind are named. */
const NAMED = 20

/** What wants to be looked at first. */
export interface Attention {
  /** Online agents that could not apply the latest version, and how many there are. */
  readonly failed: readonly Agent[]
  readonly failed_total: number
  /** Agents that are offline, those that were there until lately first. */
  readonly offline: readonly Agent[]
  readonly offline_total: number
}

/** The fleet as a whole: its relays, and what is wrong. */
export interface FleetPicture {
  readonly relays: RelayTree
  readonly attention: Attention
}

/** What a picture is made from. */
export interface PictureParts {
  readonly roster: Roster
  readonly liveness: Liveness
  readonly passes: Passes
  readonly clock: Clock
}

async function look({ roster, liveness, passes, clock }: PictureParts): Promise<FleetPicture> {
  const slices = await passes.begin()
  const now = liveness.look()
  const failed: AgentRecord[] = []
  const offline: { readonly record: AgentRecord; readonly seen: number }[] = []
  let [failedTotal, offlineTotal] = [0, 0]
  const byRelay = new Map<string | undefined, Below>()
  for (const record of roster.all()) {
    if (slices.due()) await slices.next()
    const isOnline = liveness.online(record, now)
    const state = isOnline ? stateOf(record, now.latest) : 'offline'
    const below = byRelay.get(record.relayId) ?? nobodyBelow()
    byRelay.set(record.relayId, below)
    below[state]++
    if (state === 'failed') {
      failedTotal++
      if (failed.length < NAMED) failed.push(record)
    } else if (state === 'offline') {
      offlineTotal++
      const seen = liveness.lastSeen(record, now.now)
      const earliest = offline.at(-1)
      if (offline.length === NAMED && earliest !== undefined && earliest.seen >= seen) continue
      const at = offline.findIndex((one) => one.seen < seen)
      offline.splice(at === -1 ? offline.length : at, 0, { record, seen })
      if (offline.length > NAMED) offline.pop()
    }
  }
  const shown = (record: AgentRecord): Agent => agentView(record, now, liveness, clock)
  return {
    relays: relayTree(byRelay, (id) => {
      const record = roster.get(id)
      return record && { hostname: record.registration.hostname, online: liveness.online(record, now), relayId: record.relayId }
    }),
    attention: { failed: failed.map(shown), failed_total: failedTotal, offline: offline.map(({ record }) => shown(record)), offline_total: offlineTotal },
  }
}

/** Gives the picture of a fleet, made at most once in a while; what was made before a deletion is not given after it. */
export function fleetPicture(
  parts: PictureParts & { readonly feed: { readonly current: { readonly version: number } | undefined } },
): () => Promise<FleetPicture> {
  let last: { readonly at: number; readonly latest: number | undefined; readonly total: number; readonly picture: Promise<FleetPicture> } | undefined
  return () => {
    const at = parts.clock.monotonic()
    const latest = parts.feed.current?.version
    const total = parts.roster.size
    if (last === undefined || at - last.at >= REMEMBER_MS || last.latest !== latest || last.total !== total) last = { at, latest, total, picture: look(parts) }
    const { picture } = last
    // One that failed is not given again.
    picture.catch(() => {
      if (last?.picture === picture) last = undefined
    })
    return picture
  }
}
