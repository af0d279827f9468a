import type { HitResult } from '../../contract/hit.ts'
import { backoffDelay } from '../../runtime/backoff.ts'
import type { Clock } from '../../runtime/clock.ts'
import { readJob, type Tries, withAttempt } from '../final-result.ts'
import type { AttemptOutcome, HitJob, HitProcessor } from '../port.ts'
import type { RunningAttempts } from '../running-attempts.ts'
import { parseJob } from '../stored-job.ts'
import type { ClaimedRow, Lease } from './hit-rows.ts'
import type { EngineParts } from './parts.ts'
import { endHit, historyJson, triesOf } from './stored-hit.ts'

/** Between tries to write while the file cannot be written. */
const backoff = { base_ms: 100, max_ms: 2000, jitter: 0.2 }

/** A timer looks again after this long, so that a bound of setTimeout is never met. */
const MAX_SLEEP_MS = 60_000

/** An attempt under way: its claim, and what it was given. */
interface Attempt {
  readonly lease: Lease
  readonly job: HitJob
  /** What the hit had behind it before this one. */
  readonly before: Tries
  readonly unreadable: boolean
}

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

  /** Something may be due, or a slot may be free. */
  wake(): void {
    if (this.#claiming) this.#again = true
    else if (!this.#held && this.#busy < this.#concurrency) void this.#claim()
  }

  /** Ends the timer; nothing is claimed any more once the attempts are draining. */
  stop(): void {
    this.#timer?.cancel()
  }

  get #stopped(): boolean {
    return this.#attempts.draining || this.#parts.closed.aborted
  }

  /** Whether nothing may begin. */
  get #held(): boolean {
    return this.#stopped || this.#parts.pause.on
  }

  async #claim(): Promise<void> {
    const { hits, writer, clock, time } = this.#parts
    this.#claiming = true
    this.#again = false
    const token = clock.uuid()
    try {
      // Counted when it is applied: slots that came free since then are filled by the same commit.
      const { claimed, full, next } = await writer.commit(() => {
        const free = this.#held ? 0 : this.#concurrency - this.#busy
        const claimed = free > 0 ? hits.claim(token, time(), free) : []
        const full = claimed.length === free
        return { claimed, full, next: full ? undefined : hits.nextAt() }
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
    const { job, unreadable } = readJob(row.task_id, () => parseJob(row.job))
    const attempt: Attempt = { lease: { ...row, token }, job, before: triesOf(row), unreadable: unreadable !== undefined }
    const process: HitProcessor = unreadable === undefined ? this.#process : async () => ({ kind: 'final', result: unreadable })
    const facts = { attempt: row.attempts + 1, again: row.starts > 1 || row.retried === 1 }
    await this.#attempts.run(job, facts, process, (outcome) => this.#settle(attempt, outcome))
  }

  /** Writes how an attempt ended, for as long as it takes: the outcome must not be lost while this process lives. */
  async #settle(attempt: Attempt, outcome: AttemptOutcome): Promise<void> {
    const { writer, clock, closed } = this.#parts
    for (let failures = 1; ; failures += 1) {
      // The slot is free from here on, so that the claim of the next hit shares this commit.
      this.#busy -= 1
      const written = writer.commit(() => this.#apply(attempt, outcome))
      this.wake()
      const settled = await written.catch(() => undefined)
      if (settled !== undefined) return settled()
      if (closed.aborted) return
      this.#busy += 1
      await clock.sleep(backoffDelay(failures, backoff, clock), closed)
    }
  }

  /** @returns what is to be done once this is committed */
  #apply({ lease, job, before, unreadable }: Attempt, outcome: AttemptOutcome): () => void | Promise<void> {
    const { hits, delayed, time } = this.#parts
    if (outcome.kind === 'final') {
      // An end that is no attempt of its own counts those that were charged.
      const attempts = unreadable ? before.attempts : before.attempts + 1
      const result = endHit(this.#parts, lease, job, outcome.result, { attempts, history: withAttempt(before.history, outcome.tried) })
      return () => this.#tell(result)
    }
    if (outcome.kind === 'release' && outcome.delay_ms <= 0) {
      // It keeps its place in line.
      hits.release(lease, null)
      return () => this.#sleepUntil(time())
    }
    const dueAt = Math.round(time() + outcome.delay_ms)
    if (outcome.kind === 'retry') hits.charge(lease, dueAt, historyJson(withAttempt(before.history, outcome.tried)))
    else hits.release(lease, dueAt)
    return () => {
      delayed.add(dueAt, time())
      this.#sleepUntil(dueAt)
    }
  }

  /** Tells of an end once it is on the disk, so that what was told stays so whatever happens to this host. */
  async #tell(result: HitResult | undefined): Promise<void> {
    const { writer, clock, closed, ended } = this.#parts
    if (result === undefined) return
    for (let failures = 1; !closed.aborted; failures += 1) {
      const synced = await writer.synced().then(
        () => true,
        () => false,
      )
      if (synced) return ended(result)
      await clock.sleep(backoffDelay(failures, backoff, clock), closed)
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

/** The clock that hits are due by: the wall time at the start, plus what has passed since, so that a jump of the wall clock moves no hit. */
export function steadyTime(clock: Clock): () => number {
  const wall = clock.now()
  const start = clock.monotonic()
  return () => Math.floor(wall + clock.monotonic() - start)
}
