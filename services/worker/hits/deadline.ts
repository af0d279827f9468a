import type { Clock } from '#lib/runtime/clock.ts'
import { AttemptStopped, HitFailure } from './failure.ts'

/** The one deadline of an attempt: it covers resolving, connecting, redirects and the body. */
export interface Deadline {
  /** Why the attempt is over: a HitFailure `timeout` when its time is, {@link AttemptStopped} when it was told to stop; undefined before. */
  readonly reason: Error | undefined
  /** The same as a signal; made where it is asked for, since most attempts find a connection open and never do. */
  readonly signal: AbortSignal
  /** Says what to end when the attempt is over; only the last one said is ended. */
  ends(stop: (reason: Error) => void): void
  /** The attempt has ended by itself. */
  done(): void
}

/** The deadlines of all attempts under way. */
export interface Deadlines {
  /** @param stop ends the attempt from outside: the drain, or a lease that was lost */
  start(timeoutMs: number, stop: AbortSignal): Deadline
  /** Stops all, and whatever is started from now on. */
  close(): void
}

class Running implements Deadline {
  readonly at: number
  reason: Error | undefined
  readonly #timeoutMs: number
  readonly #stop: AbortSignal
  readonly #forget: (running: Running) => void
  #controller: AbortController | undefined
  #end: ((reason: Error) => void) | undefined
  readonly #onStop = () => this.over(new AttemptStopped('the attempt was stopped'))

  constructor(at: number, timeoutMs: number, stop: AbortSignal, forget: (running: Running) => void) {
    this.at = at
    this.#timeoutMs = timeoutMs
    this.#stop = stop
    this.#forget = forget
    if (stop.aborted) this.#onStop()
    else stop.addEventListener('abort', this.#onStop)
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.reason !== undefined) this.#controller.abort(this.reason)
    return this.#controller.signal
  }

  ends(stop: (reason: Error) => void): void {
    this.#end = stop
    if (this.reason !== undefined) stop(this.reason)
  }

  timeout(): void {
    this.over(new HitFailure('timeout', `no complete answer within ${this.#timeoutMs / 1000} s`))
  }

  over(reason: Error): void {
    if (this.reason !== undefined) return
    this.reason = reason
    this.#controller?.abort(reason)
    this.#end?.(reason)
  }

  done(): void {
    this.#stop.removeEventListener('abort', this.#onStop)
    this.#forget(this)
  }
}

/**
 * Keeps the deadlines of all attempts by one timer, set for the next that is due: a timer and a signal for each attempt would cost
 * about as much as its request does.
 */
export function createDeadlines(clock: Pick<Clock, 'monotonic' | 'sleep'>): Deadlines {
  const running = new Set<Running>()
  let wakesAt = Number.POSITIVE_INFINITY
  let sleeping = new AbortController()
  let closed = false

  const sleepUntil = (at: number, now: number): void => {
    sleeping.abort()
    if (closed || at === Number.POSITIVE_INFINITY) return
    sleeping = new AbortController()
    const { signal } = sleeping
    wakesAt = at
    void clock.sleep(Math.max(1, Math.ceil(at - now)), signal).then(() => {
      if (!signal.aborted) look()
    })
  }
  const look = (): void => {
    const now = clock.monotonic()
    let next = Number.POSITIVE_INFINITY
    for (const deadline of running) {
      if (deadline.at <= now) deadline.timeout()
      else next = Math.min(next, deadline.at)
    }
    wakesAt = Number.POSITIVE_INFINITY
    sleepUntil(next, now)
  }
  const forget = (deadline: Running) => void running.delete(deadline)

  return {
    start: (timeoutMs, stop) => {
      const now = clock.monotonic()
      const deadline = new Running(now + timeoutMs, timeoutMs, stop, forget)
      if (closed) deadline.over(new AttemptStopped('the executor is closed'))
      running.add(deadline)
      if (deadline.at < wakesAt) sleepUntil(deadline.at, now)
      return deadline
    },
    close: () => {
      closed = true
      sleeping.abort()
      for (const deadline of running) deadline.over(new AttemptStopped('the executor is closed'))
    },
  }
}
