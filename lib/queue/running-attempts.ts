import type { Logger, LogPart } from '../observe/logger.ts'
import type { Clock } from '../runtime/clock.ts'
import { thrownOutcome } from './final-result.ts'
import type { AttemptContext, AttemptOutcome, HitJob, HitProcessor } from './port.ts'

/** Which attempt it is. */
export type AttemptFacts = Omit<AttemptContext, 'signal'>

/** How long an aborted attempt may take to answer before its hit is given back without it, in ms. */
const ABORT_GRACE_MS = 500

/** How long a drain goes on after its signal: the grace above, and the writes that follow, in ms. */
const DRAIN_END_MS = 1000

/** What is needed to run attempts. */
export interface RunningAttemptsOptions {
  readonly logger: Logger
  readonly clock: Clock
  readonly part: LogPart
}

/** One attempt that runs. */
interface Running {
  readonly taskId: string
  readonly controller: AbortController
  /** Resolved where the attempt has been aborted and does not answer. */
  readonly givenUp: PromiseWithResolvers<AttemptOutcome>
  /** Ends the timer of the grace, where one was set. */
  stopGrace: () => void
}

/** The attempts that run in this process: how they are aborted, what a thrown error becomes, and how to wait for them. */
export class RunningAttempts {
  readonly #options: RunningAttemptsOptions
  readonly #running = new Set<Running>()
  #draining = false
  #idle: (() => void) | undefined

  constructor(options: RunningAttemptsOptions) {
    this.#options = options
  }

  /** Whether no attempt may begin any more. */
  get draining(): boolean {
    return this.#draining
  }

  /**
   * Makes one attempt and has its outcome written.
   * @param settle writes the outcome; its answer is passed on, and the attempt counts as running until then
   */
  async run<T>(job: HitJob, facts: AttemptFacts, process: HitProcessor, settle: (outcome: AttemptOutcome) => Promise<T>): Promise<T> {
    // Not by its id: a hit whose lease was lost may run here a second time before the first has stopped.
    const running: Running = { taskId: job.task_id, controller: new AbortController(), givenUp: Promise.withResolvers(), stopGrace: () => {} }
    this.#running.add(running)
    try {
      return await settle(await this.#outcome(running, job, facts, process))
    } finally {
      running.stopGrace()
      this.#running.delete(running)
      if (this.#running.size === 0) this.#idle?.()
    }
  }

  /** Aborts a task's attempt: its lease is lost, and another worker may have the hit. */
  abort(taskId: string, reason: Error): void {
    for (const running of this.#running) if (running.taskId === taskId) this.#abort(running, reason)
  }

  /**
   * Lets no attempt begin; waits for those that run until the signal, then aborts them.
   * Resolves when none runs any more, at the latest a second after the signal.
   */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true
    if (this.#running.size === 0) return
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve
    })
    const ended = new AbortController()
    const abort = async () => {
      const reason = new Error('the worker is shutting down')
      for (const running of this.#running) this.#abort(running, reason)
      await this.#options.clock.sleep(DRAIN_END_MS, ended.signal)
    }
    const deadline = Promise.withResolvers<void>()
    const onAbort = () => void abort().then(deadline.resolve)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    await Promise.race([idle, deadline.promise])
    signal.removeEventListener('abort', onAbort)
    ended.abort()
    if (this.#running.size > 0)
      this.#options.logger.warn(this.#options.part, `${this.#running.size} hits could not be given back in time; they run again once their lease is over`)
  }

  async #outcome(running: Running, job: HitJob, facts: AttemptFacts, process: HitProcessor): Promise<AttemptOutcome> {
    const { signal } = running.controller
    try {
      return await Promise.race([process(job, { ...facts, signal }), running.givenUp.promise])
    } catch (error) {
      // Thrown because it was aborted: that is no fault of the hit.
      if (signal.aborted) return { kind: 'release', delay_ms: 0 }
      const { logger, part } = this.#options
      logger.error(part, `hit ${job.task_id} ends failed: its attempt threw, which is a fault in the worker`, {
        error: error instanceof Error ? error.stack : String(error),
      })
      return { kind: 'final', result: thrownOutcome(error) }
    }
  }

  #abort(running: Running, reason: Error): void {
    if (running.controller.signal.aborted) return
    const answered = new AbortController()
    running.stopGrace = () => answered.abort()
    running.controller.abort(reason)
    // An attempt that does not heed its signal must not keep the hit: it is given back without its answer.
    void this.#options.clock.sleep(ABORT_GRACE_MS, answered.signal).then(() => running.givenUp.resolve({ kind: 'release', delay_ms: 0 }))
  }
}
