import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { HitAttempt, HitResult, HitStatus } from '#lib/contract/hit.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { createLogger } from '#lib/observe/logger.ts'
import type { AttemptOutcome, HitJob, HitQueue, StoredHit, Unqueued } from '#lib/queue/port.ts'
import type { Clock } from '#lib/runtime/clock.ts'

/** A way in which a store goes away, and comes back. */
export interface Fault {
  readonly name: string
  /** What an enqueue says while it lasts. */
  readonly outcome: Unqueued
  strike(): Promise<void> | void
  repair(): Promise<void> | void
}

/** An engine with an empty store, for one test. */
export interface HitQueueHarness extends AsyncDisposable {
  /** Opens the store; queues that are still open at the end are disposed of. */
  open(options?: { readonly logger?: Logger; readonly clock?: Clock; readonly maxBacklog?: number }): Promise<HitQueue>
  /** What the child needs to open the same store, as JSON. */
  readonly store: string
  /** Lets leases of dead processes run out now, rather than in their time. */
  expireLeases(): Promise<void>
  readonly faults: readonly Fault[]
}

/** A new job; tests name what they care for. */
export const newJob = (fields: Partial<HitJob> = {}): HitJob => ({
  task_id: randomUUID(),
  url: 'http://127.0.0.1:9/hit',
  config_version: 7,
  enqueued_at: Date.now(),
  ...fields,
})

/** Enqueues as many hits, one after the other. */
export async function enqueueMany(queue: HitQueue, count: number): Promise<HitJob[]> {
  const jobs = Array.from({ length: count }, () => newJob())
  for (const job of jobs) await queue.enqueue(job)
  return jobs
}

/** The result of a hit, once it is final. */
export const finalOf = (queue: HitQueue, taskId: string): Promise<HitResult | undefined> => queue.waitForEnd(taskId, AbortSignal.timeout(15_000))

/** A final outcome, as the executor gives it. */
export const completed: AttemptOutcome = {
  kind: 'final',
  result: { status: 'completed', status_code: 200, body: 'hello', truncated: false, size_bytes: 5, timings: { total: 1.5 } },
}

/** A final outcome of a hit that had no answer. */
export const failed: AttemptOutcome = { kind: 'final', result: { status: 'failed', error_class: 'timeout', error: 'no answer' } }

/** An attempt, as the executor gives it to the history. */
export const tried = (attempt: number, fields: Partial<HitAttempt> = {}): HitAttempt => ({
  attempt,
  started_at: new Date().toISOString(),
  total_ms: 1.5,
  error_class: 'timeout',
  error: 'no answer',
  ...fields,
})

/** Charged, and run again after a delay. */
export const retryIn = (delay_ms: number, attempt = 1): AttemptOutcome => ({ kind: 'retry', delay_ms, tried: tried(attempt) })

/** All hits of a state, read by pages of `limit`. */
export async function listAll(queue: HitQueue, state: HitStatus, limit = 100): Promise<StoredHit[]> {
  const found: StoredHit[] = []
  for (let cursor: string | undefined; ; ) {
    const { hits, next } = await queue.list({ state, limit, ...(cursor === undefined ? {} : { cursor }) })
    found.push(...hits)
    if (next === undefined) return found
    cursor = next
  }
}

/** The ids of all hits of a state, in the order of the list. */
export const idsOf = async (queue: HitQueue, state: HitStatus, limit = 100): Promise<string[]> =>
  (await listAll(queue, state, limit)).map(({ job }) => job.task_id)

/** Resolves once `check` gives something, and fails after `ms`. */
export async function until<T>(what: string, check: () => T | undefined | false | Promise<T | undefined | false>, ms = 15_000): Promise<T> {
  const deadline = performance.now() + ms
  for (;;) {
    const found = await check()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain until ${what}`)
    await sleep(10)
  }
}

/** A logger whose lines a test can read. */
export function recordingLogger(): { readonly logger: Logger; readonly lines: { level: number; msg: string }[] } {
  const lines: { level: number; msg: string }[] = []
  const logger = createLogger({ service: 'test', level: 'info', format: 'json', destination: { write: (line: string) => void lines.push(JSON.parse(line)) } })
  return { logger, lines }
}

/** A worker process of a test. Its lines are what it prints. */
export class TestChild implements AsyncDisposable {
  readonly lines: string[] = []
  readonly #process: ChildProcess

  /** @param mode what it does, see hit-queue-child.ts */
  constructor(store: string, mode: 'enqueue' | 'hang' | 'die' | 'work') {
    const child = spawn(process.execPath, [fileURLToPath(new URL('hit-queue-child.ts', import.meta.url)), mode, store], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    createInterface({ input: child.stdout }).on('line', (line) => this.lines.push(line))
    this.#process = child
  }

  get ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  /** kill -9; resolves when its output is read to the end. */
  async kill(): Promise<void> {
    const closed = this.#process.stdout?.readableEnded === true ? undefined : once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

/** Processes every hit of a queue to a good end. @returns the ids of the attempts made so far, in order */
export function completeAll(queue: HitQueue, concurrency: number): string[] {
  const ran: string[] = []
  queue.start(
    async ({ task_id }) => {
      ran.push(task_id)
      return completed
    },
    { concurrency },
  )
  return ran
}
