import type { HitTimings } from '#lib/contract/hit.ts'
import type { HitRequest } from '#lib/contract/hit-request.ts'
import { retryAfterMs } from '#lib/http/retry-after.ts'
import type { TraceContext } from '#lib/observe/trace/context.ts'
import { failedResult, type HitJob, type HitOutcomeResult } from '#lib/queue/port.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { keptHeaders } from './answer-headers.ts'
import { classify } from './classify.ts'
import { type Connections, createConnections } from './connections.ts'
import { createDeadlines, type Deadline } from './deadline.ts'
import { type Answer, Exchange } from './exchange.ts'
import { AttemptStopped, HitFailure } from './failure.ts'
import { fairResolver } from './fair-resolver.ts'
import type { Guard } from './guard.ts'
import { nextHop } from './redirect.ts'
import { firstHop, type Hop, requestOf } from './request.ts'
import { type Resolver, sharedResolver, systemResolver } from './resolve.ts'
import type { ReadyRequest, Secrets } from './secrets.ts'
import { type TlsTrust, trustContext } from './secure.ts'
import { rememberTargets, type Target, UNREADABLE } from './target.ts'
import { bodyFields } from './text.ts'
import { Stopwatch } from './timings.ts'

/** How an attempt ended. */
export type AttemptResult =
  /**
   * Judged: `completed` with the answer, or `failed` with a class; `retry_after_ms` where the target asked for a pause, `elsewhere`
   * where it was another origin that failed, after a redirect.
   */
  | { readonly kind: 'finished'; readonly result: HitOutcomeResult; readonly retry_after_ms?: number; readonly elsewhere?: boolean }
  /** Failed before anything was sent, and would each time: its request cannot be made. */
  | { readonly kind: 'unmade'; readonly result: HitOutcomeResult }
  /** Told to stop by the signal or by `close`; says nothing about the target. */
  | { readonly kind: 'stopped' }

/** Makes attempts. */
export interface Executor {
  /**
   * Makes one attempt of a hit: no retry, one deadline over everything. Never rejects.
   * @param signal stops it, for a drain
   * @param trace that the request goes on with
   */
  execute(job: HitJob, signal: AbortSignal, trace?: TraceContext): Promise<AttemptResult>
  /** Stops what runs and closes all connections. */
  close(): Promise<void>
}

/** What an executor is made of; sizes in bytes, times in ms. */
export interface ExecutorOptions {
  readonly guard: Guard
  readonly clock: Clock
  /** What `${secret:NAME}` in a request stands for, by NAME; none where absent. */
  readonly secrets?: Secrets
  /** How much of an answer is kept; 256 KiB. */
  readonly maxBodyBytes?: number
  /** The deadline of a hit whose config names none; 30 s. */
  readonly timeoutMs?: number
  /** How long an answer's headers may be; 16 KiB. */
  readonly maxHeaderBytes?: number
  /** Resolves names; the system's where absent. */
  readonly resolve?: Resolver
  readonly tls?: TlsTrust
}

/** Judges the answer that counts. */
function judged(answer: Answer, request: HitRequest, timings: HitTimings, now: number): AttemptResult {
  const { bytes, truncated, size_bytes } = answer.body
  const fields = {
    status_code: answer.status,
    headers: keptHeaders(answer.headers),
    ...bodyFields(bytes, answer.header('content-type'), truncated),
    truncated,
    size_bytes,
    timings,
  }
  if (request.expect_status === undefined || request.expect_status.includes(answer.status)) {
    return { kind: 'finished', result: { status: 'completed', ...fields } }
  }
  const error = `it answered ${answer.status}, expected ${request.expect_status.join(' or ')}`
  const retryAfter = retryAfterMs(answer.header('retry-after'), now)
  const result: HitOutcomeResult = { status: 'failed', error_class: 'unexpected_status', error, ...fields }
  return { kind: 'finished', result, ...(retryAfter === undefined ? {} : { retry_after_ms: retryAfter }) }
}

/**
 * Makes the executor: the one thing in this system that sends requests to targets.
 * @throws TypeError for TLS authorities that are no certificates
 */
export function createExecutor(options: ExecutorOptions): Executor {
  const { guard, clock, secrets = new Map(), maxBodyBytes = 256 * 1024, timeoutMs = 30_000, maxHeaderBytes = 16 * 1024 } = options
  const resolver = sharedResolver(fairResolver(options.resolve ?? systemResolver, clock))
  const connections: Connections = createConnections({ guard, resolver, context: trustContext(options.tls ?? {}), maxHeaderBytes })
  const deadlines = createDeadlines(clock)
  const targetOf = rememberTargets()
  let running = 0
  let idle = Promise.withResolvers<void>()

  /** Sends one request, once the guard lets its URL pass, and reads the answer. @throws HitFailure; undici's errors; the deadline's reason */
  const send = async (hop: Hop, followsRedirects: boolean, watch: Stopwatch, deadline: Deadline): Promise<Answer> => {
    const { target, method, headers, body } = hop
    const refusal = guard.checkUrl(target.url)
    if (refusal !== undefined) throw new HitFailure('blocked_address', `the target ${refusal}`)
    if (deadline.reason !== undefined) throw deadline.reason
    watch.hop()
    const connection = connections.take(target.origin, target.url, { watch, deadline })
    const exchange = new Exchange({ limit: maxBodyBytes, followsRedirects, watch, deadline })
    connection.send({ path: target.path, method, headers, body: body ?? null }, exchange)
    try {
      const answer = await exchange.answer
      if (answer.complete) connections.release(connection)
      else connections.discard(connection)
      return answer
    } catch (error) {
      connections.discard(connection)
      throw error
    }
  }

  /** Follows the redirects of an attempt to the answer that counts. */
  const follow = async (first: Hop, request: HitRequest, watch: Stopwatch, deadline: Deadline): Promise<AttemptResult> => {
    const limit = request.follow_redirects
    let hop = first
    try {
      for (let redirects = 0; ; redirects += 1) {
        const answer = await send(hop, limit > 0, watch, deadline)
        if (answer.location === undefined) return judged(answer, request, watch.read(), clock.now())
        if (redirects >= limit) throw new HitFailure('too_many_redirects', `it redirects more than ${limit} times`)
        hop = nextHop(hop, answer.status, answer.location)
      }
    } catch (error) {
      // Whatever broke when the deadline came broke because of that.
      const cause: unknown = deadline.reason ?? error
      if (cause instanceof AttemptStopped) return { kind: 'stopped' }
      const { error_class, message } = classify(cause)
      const failure: HitOutcomeResult = { ...failedResult(error_class, `Cannot ${hop.method} ${hop.target.shown}: ${message}`), timings: watch.read() }
      return { kind: 'finished', result: failure, ...(hop.target.origin === first.target.origin ? {} : { elsewhere: true }) }
    }
  }

  /** Reads a job's request. @returns how the attempt ends where that cannot be made */
  const prepare = (job: HitJob, target: Target | undefined): ReadyRequest | AttemptResult => {
    try {
      return requestOf(job, secrets)
    } catch (error) {
      const { error_class, message } = classify(error)
      return { kind: 'unmade', result: failedResult(error_class, `Cannot hit ${target?.shown ?? UNREADABLE}: ${message}`) }
    }
  }

  const attempt = async (job: HitJob, signal: AbortSignal, trace?: TraceContext): Promise<AttemptResult> => {
    const watch = new Stopwatch(clock)
    const target = targetOf(job.url)
    const ready = prepare(job, target)
    if ('kind' in ready) return ready
    if (target === undefined) {
      const refusal = failedResult('blocked_address', `Cannot hit ${UNREADABLE}: data.url is not an absolute http: or https: URL`)
      return { kind: 'finished', result: { ...refusal, timings: watch.read() } }
    }
    const { request } = ready
    const deadline = deadlines.start(request.timeout_seconds === undefined ? timeoutMs : request.timeout_seconds * 1000, signal)
    running += 1
    const result = await follow(firstHop(target, job.task_id, ready, trace), request, watch, deadline)
    running -= 1
    deadline.done()
    if (running === 0) idle.resolve()
    return result
  }

  return {
    execute: attempt,
    close: async () => {
      idle = Promise.withResolvers<void>()
      deadlines.close()
      if (running > 0) await idle.promise
      await connections.close()
    },
  }
}
