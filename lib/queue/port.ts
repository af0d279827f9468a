import type { HitAttempt, HitErrorClass, HitResult, HitStatus } from '../contract/hit.ts'

/**
 * A hit as it lies in the queue: all that is needed to make the request, fixed when it was accepted, so that
 * a config published later does not change it.
 */
export interface HitJob {
  readonly task_id: string
  readonly url: string
  /** `data.request` of the config as it was accepted, where there was one; the executor reads it. */
  readonly request?: Readonly<Record<string, unknown>>
  readonly config_version: number
  /** When it was accepted, ms since the epoch. */
  readonly enqueued_at: number
  /** The id of the request that queued it; one is made for a scheduled hit. Absent in jobs from before there was one. */
  readonly request_id?: string
  /** The trace that it belongs to (W3C Trace Context), where there is one: its requests go on with it. */
  readonly traceparent?: string
  readonly tracestate?: string
}

/** What the result says beyond what the queue itself knows (task_id, attempts, history, config_version, request_id, times). */
export type HitOutcomeResult = Omit<
  HitResult,
  'task_id' | 'attempts' | 'history' | 'config_version' | 'request_id' | 'enqueued_at' | 'finished_at' | 'status'
> & {
  readonly status: 'completed' | 'failed'
}

/** How one attempt ended, as the code above the port judges it. */
export type AttemptOutcome =
  /** Final: the result is stored for an hour and the job ends. `tried` is added to its history; absent where no request was made. */
  | { readonly kind: 'final'; readonly result: HitOutcomeResult; readonly tried?: HitAttempt }
  /** Charged as an attempt and run again after `delay_ms`, at most {@link MAX_RETRY_DELAY_MS}. The code above the port counts: it says `final` when no attempt is left. */
  | { readonly kind: 'retry'; readonly delay_ms: number; readonly tried: HitAttempt }
  /** Given back uncharged, to run again after `delay_ms`: drained, or its destination is full. */
  | { readonly kind: 'release'; readonly delay_ms: number }

/** What a processor is told about the attempt it makes. */
export interface AttemptContext {
  /** 1 for the first, and for the first after a retry by hand; what was killed or released before does not count. */
  readonly attempt: number
  /** Whether it was given to a processor before: released, killed or retried. Its wait in line has been told then. */
  readonly again: boolean
  /** Aborted when the lease is lost or the drain's deadline has come: stop, and answer `release`. */
  readonly signal: AbortSignal
}

/** Makes one attempt. Must not throw; what it throws all the same ends the hit `failed`, class `internal`. */
export type HitProcessor = (job: HitJob, context: AttemptContext) => Promise<AttemptOutcome>

/** The engine as `/health` shows it. */
export interface QueueHealth {
  readonly engine: 'redis' | 'embedded'
  /** False where the store cannot be reached or written at this moment. */
  readonly ok: boolean
  /** What makes it unfit or risky, one sentence each: no persistence, may evict, cannot be reached. */
  readonly warnings: readonly string[]
  /** How Redis writes its append-only file to the disk, where it keeps one and says so: what a crash of its host can lose. */
  readonly appendfsync?: string
  /** Jobs by state, where it could be asked. */
  readonly counts?: { readonly queued: number; readonly active: number; readonly delayed: number }
}

/**
 * What became of the hit that an enqueue was refused for. `refused`: certainly nothing was queued (not connected,
 * or the store said no). `unknown`: the store's answer is missing, so the hit may have been queued, and may still run.
 */
export type Unqueued = 'refused' | 'unknown'

/** How many hits there are, by where they stand. */
export interface QueueCounts {
  /** Waiting in line; taken by no worker yet, or given back to the line. */
  readonly queued: number
  /** Being run: by this worker, and on Redis by all others too. */
  readonly active: number
  /** Waiting for a time: for their next attempt, or for their destination. */
  readonly delayed: number
  /** Ended within the last {@link RESULT_TTL_SECONDS}. */
  readonly completed: number
  readonly failed: number
  readonly paused: boolean
  /** When the hit that is first in line was accepted, ms since the epoch; absent where none waits. */
  readonly oldest_queued_at?: number
}

/** A hit of a list: as it was accepted, and what is known of it. */
export interface StoredHit {
  readonly job: HitJob
  /** As {@link HitQueue.find} gives it, but without `body`: a page of large answers would not fit into the memory. */
  readonly result: HitResult
}

/** A page of hits; `next` is absent on the last one. */
export interface HitListPage {
  readonly hits: readonly StoredHit[]
  readonly next?: string
}

/** What became of the wish to run a hit again: `unknown` never was, or its hour is over. */
export type RetryAnswer = 'retried' | 'unfinished' | 'unknown'

/** As many hits wait as may; nothing was queued. */
export class BacklogFullError extends Error {
  override readonly name = 'BacklogFullError'
  constructor(waiting: number, most: number) {
    super(`${waiting} hits wait, and at most ${most} may`)
  }
}

/** The queue could not be reached or written within about a second. */
export class QueueUnavailableError extends Error {
  override readonly name = 'QueueUnavailableError'
  /** What became of the hit, where an enqueue failed; of a read it says nothing. */
  readonly outcome: Unqueued

  /** @param message names the store, and what it said */
  constructor(message: string, outcome: Unqueued, options?: ErrorOptions) {
    super(message, options)
    this.outcome = outcome
  }
}

/** How long a result, and the idempotency key that led to it, is kept after the end of its task. */
export const RESULT_TTL_SECONDS = 3600

/** A hit whose worker died this many times ends `failed` with class `internal`: a hit that kills its worker must not do so for ever. */
export const MAX_CRASHES = 6

/**
 * The longest delay of a retry, in ms: five minutes and the jitter on top. A hit that is due later than this from
 * now was put back by a clock that was ahead.
 */
export const MAX_RETRY_DELAY_MS = 360_000

/** How long a lease lives without being renewed; a killed worker's hit is run again within three of these. */
export const LEASE_MS = 5000

/**
 * The queue of hits, in domain words; BullMQ on Redis and SQLite in the worker's own file implement it and
 * pass the same conformance suite (test/conformance). No connection and no job object of an engine leaves it.
 *
 * Delivery is at least once. All methods that reach the store reject with {@link QueueUnavailableError}
 * within about a second where the store is away; none hangs.
 */
export interface HitQueue extends AsyncDisposable {
  readonly engine: 'redis' | 'embedded'

  /**
   * Takes a hit. When this resolves it survives the kill of any process (embedded: also power loss, since the
   * write is synced; Redis: as far as its `appendfsync` promises).
   * @param options.idempotencyKey the same key gives the same task, until an hour after that task's end
   * @returns the id of the task: the job's own, or the first one's where the key was seen before
   * @throws QueueUnavailableError whose `outcome` says whether the hit may have been queued all the same
   * @throws BacklogFullError where as many wait as may (on Redis, as many as did half a second ago)
   */
  enqueue(job: HitJob, options?: { readonly idempotencyKey?: string }): Promise<{ readonly task_id: string; readonly duplicate: boolean }>

  /**
   * Takes many hits, all or none, in their order.
   * @throws as {@link enqueue} does
   */
  enqueueMany(jobs: readonly HitJob[]): Promise<void>

  /**
   * Lists the hits of one state: `queued` and `pending` oldest first, `completed` and `failed` by their end, newest first.
   * Hits that move while pages are read may be met twice or not at all; one that stays where it is is met once.
   * @param options.cursor `next` of the page before, of the same state; anything else is taken as the beginning
   */
  list(options: { readonly state: HitStatus; readonly cursor?: string; readonly limit: number }): Promise<HitListPage>

  /**
   * Queues an ended hit again, under its task id, with its request as it was accepted, with all attempts before it, and
   * at the end of the line. Its history goes on; its result is the old one until no later than it is run. A crash in
   * between loses neither the old result nor the hit.
   */
  retry(taskId: string): Promise<RetryAnswer>

  /**
   * Queues failed hits again, as {@link retry} does, the longest ended first.
   * @param max how many at most
   */
  retryFailed(max: number): Promise<{ readonly retried: number; readonly remaining: boolean }>

  /** Lets no hit begin, on any worker on this store and through restarts, until {@link resume}; what runs goes on. Hits are taken meanwhile. */
  pause(): Promise<void>

  /** Lets hits begin again. */
  resume(): Promise<void>

  /** How many hits there are by where they stand. */
  counts(): Promise<QueueCounts>

  /**
   * Looks a task up: the result, else the job, else the result again (a job may end in between).
   * @returns undefined for a task that never was or whose hour is over; for what is no UUID without asking the
   *   store, which keeps other things under such names
   */
  find(taskId: string): Promise<HitResult | undefined>

  /**
   * Waits until the task is final or the signal aborts, whichever is first; ends in the same process are seen
   * at once, those of other workers on the same store within 250 ms.
   * @returns what {@link find} gives at that moment
   */
  waitForEnd(taskId: string, signal: AbortSignal): Promise<HitResult | undefined>

  /**
   * Begins to process with `concurrency` attempts at a time. Called once.
   * @param process makes one attempt
   */
  start(process: HitProcessor, options: { readonly concurrency: number }): void

  /**
   * Takes no more; waits for what runs until the signal aborts, then aborts it and gives it back uncharged.
   * Resolves when nothing runs any more, at the latest about a second after the abort. Never rejects.
   */
  drain(signal: AbortSignal): Promise<void>

  /** Whether it can take hits now, and what is wrong or risky about it. Never rejects; answers within a second. */
  health(): Promise<QueueHealth>
}

/** How many hits may wait where HIT_MAX_BACKLOG says nothing. */
export const DEFAULT_MAX_BACKLOG = 1_000_000

/** A hit that ended without an answer worth storing from the target: the engines use it for crashes and thrown errors. */
export const failedResult = (errorClass: HitErrorClass, error: string): HitOutcomeResult => ({ status: 'failed', error_class: errorClass, error })
