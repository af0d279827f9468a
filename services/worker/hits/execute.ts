import type { HitTimings } from '#lib/contract/hit.ts'
import type { HitRequest } from '#lib/contract/hit-request.ts'
import { retryAfterMs } from '#lib/http/retry-after.ts'
import type { HitJob, HitOutcomeResult } from '#lib/queue/port.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { readBody } from './body.ts'
import { classify } from './classify.ts'
import { type Connections, createConnections } from './connections.ts'
import { type Deadline, startDeadline } from './deadline.ts'
import { AttemptStopped, HitFailure } from './failure.ts'
import type { Guard } from './guard.ts'
import { type Answer, sendHop } from './hop.ts'
import { locationOf, nextHop } from './redirect.ts'
import { firstHop, type Hop, requestOf, shownTarget, shownUrl } from './request.ts'
import { type Resolver, sharedResolver, systemResolver } from './resolve.ts'
import { type TlsTrust, trustContext } from './secure.ts'
import { bodyFields } from './text.ts'
import { Stopwatch } from './timings.ts'

/** How an attempt ended. */
export type AttemptResult =
  /** Judged: `completed` with the answer, or `failed` with a class; `retry_after_ms` where the target asked for a pause. */
  | { readonly kind: 'finished'; readonly result: HitOutcomeResult; readonly retry_after_ms?: number }
  /** Told to stop by the signal or by `close`; says nothing about the target. */
  | { readonly kind: 'stopped' }

/** Makes attempts. */
export interface Executor {
  /**
   * Makes one attempt of a hit: no retry, one deadline over everything. Never rejects.
   * @param signal stops it, for a drain
   */
  execute(job: HitJob, signal: AbortSignal): Promise<AttemptResult>
  /** Stops what runs and closes all connections. */
  close(): Promise<void>
}

/** What an executor is made of; sizes in bytes, times in ms. */
export interface ExecutorOptions {
  readonly guard: Guard
  readonly clock: Clock
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

/** Follows the redirects of an attempt to the answer that counts. */
async function follow(first: Hop, limit: number, send: (hop: Hop) => Promise<Answer>): Promise<Answer> {
  let hop = first
  for (let redirects = 0; ; redirects += 1) {
    const answer = await send(hop)
    const location = limit === 0 ? undefined : locationOf(answer.status, answer.header('location'))
    if (location === undefined) return answer
    await answer.skip()
    if (redirects >= limit) throw new HitFailure('too_many_redirects', `it redirects more than ${limit} times`)
    hop = nextHop(hop, answer.status, location)
  }
}

/**
 * Makes the executor: the one thing in this system that sends requests to targets.
 * @throws TypeError for TLS authorities that are no certificates
 */
export function createExecutor(options: ExecutorOptions): Executor {
  const { guard, clock, maxBodyBytes = 256 * 1024, timeoutMs = 30_000, maxHeaderBytes = 16 * 1024 } = options
  const resolver = sharedResolver(options.resolve ?? systemResolver)
  const connections: Connections = createConnections({ guard, resolver, context: trustContext(options.tls ?? {}), maxHeaderBytes })
  const closing = new AbortController()
  const running = new Set<Promise<AttemptResult>>()

  /** Reads the answer that counts, and judges it. */
  const conclude = async (answer: Answer, request: HitRequest, watch: Stopwatch): Promise<AttemptResult> => {
    const headers = { contentLength: answer.header('content-length'), contentEncoding: answer.header('content-encoding') }
    const body = await answer.read((stream) => readBody(stream, headers, maxBodyBytes))
    watch.end('transfer')
    const { truncated, size_bytes } = body
    const fields = {
      status_code: answer.status,
      ...bodyFields(body.bytes, answer.header('content-type'), truncated),
      truncated,
      size_bytes,
      timings: watch.read(),
    }
    if (request.expect_status === undefined || request.expect_status.includes(answer.status))
      return { kind: 'finished', result: { status: 'completed', ...fields } }
    const error = `it answered ${answer.status}, expected ${request.expect_status.join(' or ')}`
    const retryAfter = retryAfterMs(answer.header('retry-after'), clock.now())
    const result: HitOutcomeResult = { status: 'failed', error_class: 'unexpected_status', error, ...fields }
    return { kind: 'finished', result, ...(retryAfter === undefined ? {} : { retry_after_ms: retryAfter }) }
  }

  const failed = (error: unknown, prefix: string, timings: HitTimings): AttemptResult => {
    const { error_class, message } = classify(error)
    return { kind: 'finished', result: { status: 'failed', error_class, error: `${prefix}: ${message}`, timings } }
  }

  const attempt = async (job: HitJob, signal: AbortSignal): Promise<AttemptResult> => {
    const watch = new Stopwatch(clock)
    let deadline: Deadline | undefined
    let prefix = `Cannot hit ${shownTarget(job.url)}`
    try {
      const request = requestOf(job)
      const limit = request.timeout_seconds === undefined ? timeoutMs : request.timeout_seconds * 1000
      deadline = startDeadline(limit, [signal, closing.signal], clock)
      const { signal: ended } = deadline
      const answer = await follow(firstHop(job, request), request.follow_redirects, (hop) => {
        prefix = `Cannot ${hop.method} ${shownUrl(hop.url)}`
        return sendHop(hop, { guard, connections, watch, signal: ended })
      })
      return await conclude(answer, request, watch)
    } catch (error) {
      // Whatever broke when the signal aborted broke because of that.
      const cause: unknown = deadline?.signal.aborted ? deadline.signal.reason : error
      return cause instanceof AttemptStopped ? { kind: 'stopped' } : failed(cause, prefix, watch.read())
    } finally {
      deadline?.[Symbol.dispose]()
    }
  }

  return {
    execute: (job, signal) => {
      const result = attempt(job, signal)
      running.add(result)
      return result.finally(() => running.delete(result))
    },
    close: async () => {
      closing.abort()
      await Promise.all(running)
      await connections.close()
    },
  }
}
