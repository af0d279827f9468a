import type { FleetStatus } from '#lib/contract/fleet-status.ts'
import { fleetStates } from '#lib/contract/inventory.ts'
import type { ConfigFeed } from '#lib/distribution/feed.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Convergence } from './convergence.ts'
import type { Liveness } from './liveness.ts'
import { OutcomeSums } from './outcomes.ts'
import { PropagationTimes } from './propagation.ts'
import type { AgentRecord } from './record.ts'
import type { Roster } from './roster.ts'
import type { Passes } from './slices.ts'
import type { ConvergenceTimeline } from './timeline.ts'
import { madeOf, stateOf } from './view.ts'

/** For how long a status is given again, in ms: many who look cost as much as one. */
const REMEMBER_MS = 250
/** How many of the slowest agents are named. */
const SLOWEST = 10

/** Agents that applied the latest version, the ten that took longest, longest first. */
class TookLongest {
  readonly all: { readonly record: AgentRecord; readonly tookMs: number }[] = []

  add(record: AgentRecord, tookMs: number): void {
    const shortest = this.all.at(-1)
    if (this.all.length === SLOWEST && shortest !== undefined && shortest.tookMs >= tookMs) return
    const index = this.all.findIndex((one) => one.tookMs < tookMs)
    this.all.splice(index === -1 ? this.all.length : index, 0, { record, tookMs })
    this.all.length = Math.min(this.all.length, SLOWEST)
  }
}

/** What the status of a fleet is made from. */
export interface StatusParts {
  readonly roster: Roster
  readonly liveness: Liveness
  readonly convergence: Convergence
  readonly timeline: ConvergenceTimeline
  readonly passes: Passes
  readonly feed: Pick<ConfigFeed, 'current'>
  readonly clock: Clock
}

/** Counts the fleet in one pass, in slices. */
async function count({ roster, liveness, convergence, timeline, passes, feed }: StatusParts, propagation: PropagationTimes): Promise<FleetStatus> {
  const slices = await passes.begin()
  const look = liveness.look()
  const { latest } = look
  const config = feed.current?.config
  const publishedAt = convergence.publishedAt(latest)
  const byState = new Map<string, number>()
  const byVersion = new Map<number | null, number>()
  const missing: AgentRecord[] = []
  const longest = new TookLongest()
  const outcomes = new OutcomeSums()
  const counts = { applied: 0, failed: 0, applying: 0, pending: 0, offline: 0 }
  const isFollowed = latest !== null && timeline.version === latest
  const times: number[] = []
  let [total, online, reporting, applied] = [0, 0, 0, 0]
  for (const record of roster.all()) {
    if (slices.due()) await slices.next()
    total++
    if (!liveness.online(record, look)) {
      // It says so anew when it is back.
      record.hits = undefined
      if (record.reports) counts.offline++
      continue
    }
    online++
    if (record.hits) outcomes.add(record.hits)
    const state = stateOf(record, latest)
    byState.set(state, (byState.get(state) ?? 0) + 1)
    byVersion.set(record.appliedVersion, (byVersion.get(record.appliedVersion) ?? 0) + 1)
    if (!record.reports) continue
    reporting++
    counts[madeOf(record, latest)]++
    if (isFollowed && record.appliedAt !== undefined && state === 'applied') times.push(Math.max(0, record.appliedAt - timeline.publishedAt))
    if (state === 'applied') {
      applied++
      if (record.appliedAt !== undefined && publishedAt !== undefined) longest.add(record, Math.max(0, Math.round(record.appliedAt - publishedAt)))
    } else if (latest !== null && missing.length < SLOWEST) missing.push(record)
  }
  if (reporting > 0 && applied === reporting) convergence.settle(latest)
  timeline.counted(latest, counts)
  const propagationMs = propagation.of(latest, times)
  const tookMs = convergence.tookMs(config?.version)
  const slowest = [...missing.map((record) => ({ record })), ...longest.all].slice(0, SLOWEST)
  const states = fleetStates.flatMap((state) => (byState.has(state) ? [[state, byState.get(state) ?? 0] as const] : []))
  return {
    latest_version: latest,
    agents: {
      total,
      online,
      reporting,
      by_state: { ...Object.fromEntries(states), ...(total > online ? { offline: total - online } : {}) },
      by_version: Object.fromEntries([...byVersion].map(([version, agents]) => [version ?? 'none', agents])),
    },
    converged_ratio: latest === null || reporting === 0 ? null : applied / reporting,
    slowest: slowest.map(({ record, ...took }) => ({
      agent_id: record.id,
      hostname: record.registration.hostname,
      state: stateOf(record, latest),
      applied_version: record.appliedVersion,
      ...('tookMs' in took ? { took_ms: took.tookMs } : {}),
    })),
    last_publish:
      config?.created_at === undefined
        ? null
        : {
            version: config.version,
            at: config.created_at,
            ...(tookMs === undefined ? {} : { converged_in_ms: tookMs }),
            ...(propagationMs === undefined ? {} : { propagation_ms: propagationMs }),
          },
    hits: outcomes.shown,
  }
}

/**
 * Gives the fleet at a glance, counted at most once in a while.
 * @returns asks for it; what was counted before a publish or a deletion is not given after it
 */
export function fleetStatus(parts: StatusParts): () => Promise<FleetStatus> {
  const propagation = new PropagationTimes()
  let last: { readonly at: number; readonly latest: number | undefined; readonly total: number; readonly status: Promise<FleetStatus> } | undefined
  return () => {
    const at = parts.clock.monotonic()
    const latest = parts.feed.current?.version
    const total = parts.roster.size
    if (last === undefined || at - last.at >= REMEMBER_MS || last.latest !== latest || last.total > total)
      last = { at, latest, total, status: count(parts, propagation) }
    return last.status
  }
}
