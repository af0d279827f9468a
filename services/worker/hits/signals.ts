import { type HitErrorClass, hitErrorClasses } from '#lib/contract/hit.ts'
import type { HitStats } from '#lib/contract/hits.ts'
import { type HitOutcome, latencyBoundsMs, latencyClass, MAX_OUTCOME_VERSIONS, OUTCOME_WINDOW_SECONDS, percentilesOf } from '#lib/contract/outcome.ts'
import type { HitOutcomeResult } from '#lib/queue/port.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** The window is forgotten in steps of this, in ms. */
const SLOT_MS = 10_000
const SLOTS = (OUTCOME_WINDOW_SECONDS * 1000) / SLOT_MS

/** What became of this worker's hits and attempts in the last {@link OUTCOME_WINDOW_SECONDS}. */
export interface Signals {
  /** A hit was given to a processor for the first time, so long after it was accepted. */
  waited(ms: number): void
  /** An attempt was made. */
  attempted(ms: number, errorClass: HitErrorClass | undefined): void
  /** A hit ended. @param ms how long its last attempt took; undefined where none was made */
  ended(version: number, result: Pick<HitOutcomeResult, 'status' | 'error_class'>, ms: number | undefined): void
  /** By config version, the newest first; at most {@link MAX_OUTCOME_VERSIONS}. */
  outcomes(): HitOutcome[]
  /** The figures of `GET /hits/stats`. */
  figures(): Pick<HitStats, 'wait_ms' | 'run_ms' | 'by_error_class'>
}

const classes = () => new Uint32Array(latencyBoundsMs.length + 1)
const errors = () => new Uint32Array(hitErrorClasses.length)
const numberOf = new Map<HitErrorClass, number>(hitErrorClasses.map((name, index) => [name, index]))

/** Counts of one version in one slot. */
interface VersionCounts {
  completed: number
  failed: number
  readonly errors: Uint32Array
  readonly latency: Uint32Array
}

/** One step of the window. */
interface Slot {
  /** Which step it holds, counted from the clock's beginning. */
  step: number
  readonly wait: Uint32Array
  readonly run: Uint32Array
  readonly errors: Uint32Array
  readonly versions: Map<number, VersionCounts>
}

const count = (counts: Uint32Array, at: number | undefined): void => {
  if (at !== undefined) counts[at] = (counts[at] ?? 0) + 1
}
const addTo = (sum: Uint32Array, more: Uint32Array): void =>
  more.forEach((n, at) => {
    sum[at] = (sum[at] ?? 0) + n
  })
const named = (counts: Uint32Array): Partial<Record<HitErrorClass, number>> =>
  Object.fromEntries(hitErrorClasses.map((name, at) => [name, counts[at] ?? 0] as const).filter(([, n]) => n > 0))

/** Drops all but the newest versions. */
const keepNewest = (versions: Map<number, VersionCounts>): void => {
  while (versions.size > MAX_OUTCOME_VERSIONS) versions.delete(Math.min(...versions.keys()))
}

/**
 * Counts outcomes, in a ring of {@link SLOTS} steps: memory does not grow with the hits, and what is old is left out when
 * it is read, so that an idle worker forgets too.
 */
export function createSignals({ clock }: { readonly clock: Pick<Clock, 'monotonic'> }): Signals {
  const ring: Slot[] = []
  const stepNow = (): number => Math.floor(clock.monotonic() / SLOT_MS)

  const current = (): Slot => {
    const step = stepNow()
    const known = ring[step % SLOTS]
    if (known?.step === step) return known
    const slot: Slot = { step, wait: classes(), run: classes(), errors: errors(), versions: new Map() }
    ring[step % SLOTS] = slot
    return slot
  }
  const window = (): Slot[] => {
    const oldest = stepNow() - SLOTS
    return ring.filter((slot) => slot !== undefined && slot.step > oldest)
  }
  const sum = (make: () => Uint32Array, slots: readonly Slot[], of: (slot: Slot) => Uint32Array): Uint32Array => {
    const total = make()
    for (const slot of slots) addTo(total, of(slot))
    return total
  }
  const versionOf = (versions: Map<number, VersionCounts>, version: number): VersionCounts => {
    const known = versions.get(version)
    if (known !== undefined) return known
    const counts = { completed: 0, failed: 0, errors: errors(), latency: classes() }
    versions.set(version, counts)
    keepNewest(versions)
    return counts
  }

  return {
    waited: (ms) => count(current().wait, latencyClass(ms)),
    attempted: (ms, errorClass) => {
      const slot = current()
      count(slot.run, latencyClass(ms))
      if (errorClass !== undefined) count(slot.errors, numberOf.get(errorClass))
    },
    ended: (version, { status, error_class }, ms) => {
      const counts = versionOf(current().versions, version)
      if (status === 'completed') counts.completed += 1
      else counts.failed += 1
      if (error_class !== undefined) count(counts.errors, numberOf.get(error_class))
      if (ms !== undefined) count(counts.latency, latencyClass(ms))
    },
    outcomes: () => {
      const totals = new Map<number, VersionCounts>()
      for (const { versions } of window()) {
        for (const [version, counts] of versions) {
          const total = totals.get(version) ?? { completed: 0, failed: 0, errors: errors(), latency: classes() }
          total.completed += counts.completed
          total.failed += counts.failed
          addTo(total.errors, counts.errors)
          addTo(total.latency, counts.latency)
          totals.set(version, total)
        }
      }
      keepNewest(totals)
      return [...totals]
        .sort(([a], [b]) => b - a)
        .map(([version, { completed, failed, ...counts }]) => ({
          version,
          completed,
          failed,
          by_error_class: named(counts.errors),
          latency: [...counts.latency],
        }))
    },
    figures: () => {
      const slots = window()
      return {
        wait_ms: percentilesOf([...sum(classes, slots, ({ wait }) => wait)]),
        run_ms: percentilesOf([...sum(classes, slots, ({ run }) => run)]),
        by_error_class: named(sum(errors, slots, (slot) => slot.errors)),
      }
    },
  }
}
