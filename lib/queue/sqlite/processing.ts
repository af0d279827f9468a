import { backoffDelay } from '../../runtime/backoff.ts'
import type { Clock } from '../../runtime/clock.ts'
import { finalResult, readJob } from '../final-result.ts'
import type { AttemptOutcome, HitJob, HitProcessor } from '../port.ts'
import type { RunningAttempts } from '../running-attempts.ts'
import { parseJob } from '../stored-job.ts'
import type { ClaimedRow, Lease } from './hit-rows.ts'
import type { EngineParts } from './parts.ts'

/** Between tries to write while the file cannot be written. */
const backoff = { base_ms: 100, max_ms: 2000, jitter: 0.2 }

/** A timer looks again after this long, so that a bound of setTimeout is never met. */
const MAX_SLEEP_MS = 60_000

/**
 * Claims hits as slots come free, runs them and writes how they ended. It sleeps while nothing is due:
 * it is woken by an enqueue, by an end, and by the time at which the next hit is due.
 */
export class Processing {
  readonly #parts: EngineParts
  readonly #attempts: RunningAttempts
  readonly #process: HitProcessor
  readonly #concurrency: number
  /** Slots in use: processors that run, and outcomes that could not be written yet. */
  #busy = 0
  #claiming = false
  #again = false
  #failures = 0
  #timer: { readonly at: number; cancel(): void } | undefined

  constructor(parts: EngineParts, attempts: RunningAttempts, process: HitProcessor, concurrency: number) {
    this.#parts = parts
    this.#attempts = attempts
    this.#process = process
    this.#concurrency = concurrency
  }

  /** Hits that a slot is held for. */
  get busy(): number {
    return this.#busy
  }

  /** Something may be due, or a slot may be free. */
  wake(): void {
    if (this.#claiming) this.#again = true
    else if (!this.#stopped && this.#busy < this.#concurrency) void this.#claim()
  }

  /** Ends the timer; nothing is claimed any more once the attempts are draining. */
  stop(): void {
    this.#timer?.cancel()
  }

  get #stopped(): boolean {
    return this.#attempts.draining || this.#parts.closed.aborted
  }

  async #claim(): Promise<void> {
    const { rows, writer, clock, time } = this.#parts
    this.#claiming = true
    this.#again = false
    const token = clock.uuid()
    try {
      // Counted when it is applied: slots that came free since then are filled by the same commit.
      const { claimed, full, next } = await writer.write(() => {
        const free = this.#stopped ? 0 : this.#concurrency - this.#busy
        const claimed = free > 0 ? rows.claim(token, time(), free) : []
        const full = claimed.length === free
        return { claimed, full, next: full ? undefined : rows.nextRunAt() }
      })
      this.#failures = 0
      for (const row of claimed) void this.#run(row, token)
      if (full) this.#again = true
      if (next !== undefined) this.#sleepUntil(next)
    } catch {
      // The outage is logged by the writer. Claims go on by themselves once the file can be written.
      this.#failures += 1
      this.#sleepUntil(time() + backoffDelay(this.#failures, backoff, clock))
    } finally {
      this.#claiming = false
      if (this.#again) this.wake()
    }
  }

  async #run(row: ClaimedRow, token: string): Promise<void> {
    this.#busy += 1
    const lease: Lease = { ...row, token }
    const attempt = row.attempts + 1
    const { job, unreadable } = readJob(row.task_id, () => parseJob(row.job))
    const process: HitProcessor = unreadable === undefined ? this.#process : async () => ({ kind: 'final', result: unreadable })
    await this.#attempts.run(job, attempt, process, (outcome) => this.#settle(lease, job, attempt, outcome))
  }

  /** Writes how an attempt ended, for as long as it takes: the outcome must not be lost while this process lives. */
  async #settle(lease: Lease, job: HitJob, attempt: number, outcome: AttemptOutcome): Promise<void> {
    const { writer, clock, closed } = this.#parts
    for (let failures = 1; ; failures += 1) {
      // The slot is free from here on, so that the claim of the next hit shares this commit.
      this.#busy -= 1
      const written = writer.write(() => this.#apply(lease, job, attempt, outcome))
      this.wake()
      const announce = await written.catch(() => undefined)
      if (announce !== undefined) return announce()
      if (closed.aborted) return
      this.#busy += 1
      await clock.sleep(backoffDelay(failures, backoff, clock), closed)
    }
  }

  /** @returns what is to be told once this is committed */
  #apply(lease: Lease, job: HitJob, attempt: number, outcome: AttemptOutcome): () => void {
    const { rows, clock, time, ended } = this.#parts
    if (outcome.kind === 'retry') {
      const runAt = Math.round(time() + outcome.delay_ms)
      rows.charge(lease, runAt)
      return () => this.#sleepUntil(runAt)
    }
    if (outcome.kind === 'release') {
      // Without a delay it keeps its place in line.
      const runAt = outcome.delay_ms > 0 ? Math.round(time() + outcome.delay_ms) : null
      rows.release(lease, runAt)
      return () => this.#sleepUntil(runAt ?? time())
    }
    const now = clock.now()
    const result = finalResult(job, outcome.result, attempt, now)
    const finished = rows.finish(lease, result, now)
    return () => {
      if (finished) ended(result)
    }
  }

  /** Wakes at `at`, or earlier where an earlier time was set. */
  #sleepUntil(at: number): void {
    if (this.#stopped || (this.#timer !== undefined && this.#timer.at <= at)) return
    this.#timer?.cancel()
    const cancelled = new AbortController()
    const timer = { at, cancel: () => cancelled.abort() }
    this.#timer = timer
    const ms = Math.min(Math.max(at - this.#parts.time(), 1), MAX_SLEEP_MS)
    void this.#parts.clock.sleep(ms, cancelled.signal).then(() => {
      if (this.#timer !== timer) return
      this.#timer = undefined
      this.wake()
    })
  }
}

/** The clock of `run_at`: the wall time at the start, plus what has passed since, so that a jump of the wall clock moves no hit. */
export function steadyTime(clock: Clock): () => number {
  const wall = clock.now()
  const start = clock.monotonic()
  return () => Math.floor(wall + clock.monotonic() - start)
}
