import { type HitErrorClass, hitErrorClasses } from '#lib/contract/hit.ts'
import { Distribution, slowSeconds } from '#lib/observe/metrics/distribution.ts'
import type { AttemptOutcome, HitJob, HitProcessor } from '#lib/queue/port.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** Why a hit was not accepted. */
export const refusals = ['backlog_full', 'queue_unavailable', 'nothing_to_hit'] as const
export type Refusal = (typeof refusals)[number]

/** The label of what ended without an error. */
const NONE = 'none'
type ErrorLabel = HitErrorClass | typeof NONE
const errorLabels: readonly ErrorLabel[] = [NONE, ...hitErrorClasses]

/** A number for each name of a closed list. */
const zeros = <T extends string>(names: readonly T[]) => new Map<T, number>(names.map((name) => [name, 0]))
const count = <T extends string>(numbers: Map<T, number>, name: T, more = 1): void => void numbers.set(name, (numbers.get(name) ?? 0) + more)

/** What the worker counts of its hits, from its start on. */
export class WorkerTallies {
  readonly completed = zeros([NONE])
  readonly failed = zeros(hitErrorClasses)
  readonly attempts = zeros(errorLabels)
  readonly refused = zeros(refusals)
  accepted = 0
  retries = 0
  /** From being accepted to the first attempt, each attempt, and from being accepted to the end, in seconds. */
  readonly waitSeconds = new Distribution(slowSeconds)
  readonly attemptSeconds = new Distribution(slowSeconds)
  readonly hitSeconds = new Distribution(slowSeconds)

  /** @param hits how many were refused at once */
  refuse(why: Refusal, hits = 1): void {
    count(this.refused, why, hits)
  }

  /** Counts what a processor does. */
  counting(process: HitProcessor, clock: Pick<Clock, 'now'>): HitProcessor {
    // The wall clock may be put back meanwhile.
    const since = ({ enqueued_at }: HitJob) => Math.max(0, clock.now() - enqueued_at) / 1000
    return async (job, context) => {
      if (!context.again) this.waitSeconds.observe(since(job))
      const outcome = await process(job, context)
      this.#settled(outcome)
      if (outcome.kind === 'final') this.hitSeconds.observe(since(job))
      return outcome
    }
  }

  #settled(outcome: AttemptOutcome): void {
    if (outcome.kind === 'release') return
    if (outcome.tried !== undefined) {
      count(this.attempts, outcome.tried.error_class ?? NONE)
      this.attemptSeconds.observe(outcome.tried.total_ms / 1000)
    }
    if (outcome.kind === 'retry') this.retries++
    else if (outcome.result.status === 'completed') count(this.completed, NONE)
    else count(this.failed, outcome.result.error_class ?? 'internal')
  }
}
