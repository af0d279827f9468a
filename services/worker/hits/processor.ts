import type { HitAttempt } from '#lib/contract/hit.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { traceContextOf, traceLogFields } from '#lib/observe/trace/context.ts'
import { noTracer, type Span, type Tracer } from '#lib/observe/trace/tracer.ts'
import { type AttemptOutcome, failedResult, type HitJob, type HitOutcomeResult, type HitProcessor } from '#lib/queue/port.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Verdict } from './destination.ts'
import type { Destinations, Entry } from './destinations.ts'
import type { AttemptResult, Executor } from './execute.ts'
import { isNoAnswer, isRetryable, retryDelay } from './retry.ts'
import type { Signals } from './signals.ts'
import { rememberTargets, UNREADABLE } from './target.ts'

/** What the processor is made of. */
export interface HitProcessorOptions {
  readonly executor: Pick<Executor, 'execute'>
  readonly destinations: Pick<Destinations, 'enter'>
  readonly signals: Pick<Signals, 'waited' | 'attempted' | 'ended'>
  /** Retries after the first try: WORKER_RETRY_MAX. */
  readonly retryMax: number
  readonly logger: Logger
  readonly tracer?: Tracer
  readonly clock: Pick<Clock, 'now' | 'random'>
}

/**
 * Makes the processor: leave of the destination, one attempt by the executor, then the retry rules.
 *
 * Retried: no answer, and an unexpected 408, 425, 429 or 5xx, as long as tries are left. Released uncharged where the
 * destination is full or does not answer, and where the attempt was stopped: the drain, or a lease that was lost.
 * Final: everything else.
 */
export function createHitProcessor({ executor, destinations, signals, retryMax, logger, tracer = noTracer, clock }: HitProcessorOptions): HitProcessor {
  const targetOf = rememberTargets()

  /** Ends an attempt that was charged, by the retry rules. */
  const settle = (job: HitJob, attempt: number, { result, retry_after_ms }: Finished, tried: HitAttempt, shown: string): AttemptOutcome => {
    const fields = { ...about(job, attempt, shown), ...loggable(result) }
    if (result.status === 'completed') {
      logger.info('processor', `hit completed with ${result.status_code}`, fields)
    } else if (isRetryable(result) && attempt <= retryMax) {
      const delay_ms = retryDelay(attempt, retry_after_ms, clock)
      logger.warn('processor', `hit failed, try ${attempt + 1} of ${retryMax + 1} in ${delay_ms} ms`, { ...fields, delay_ms })
      return { kind: 'retry', delay_ms, tried }
    } else {
      logger.warn('processor', `hit failed after ${attempt} of ${retryMax + 1} tries`, fields)
    }
    return { kind: 'final', result, tried }
  }

  return async (job, { attempt, again, signal }) => {
    // What is no URL goes nowhere, and counts as one destination.
    const { origin = 'null', shown = UNREADABLE } = targetOf(job.url) ?? {}
    const asked = destinations.enter(origin, job.enqueued_at, signal)
    const entry = asked instanceof Promise ? await asked : asked
    if (!again) signals.waited(clock.now() - job.enqueued_at)
    if (entry.kind === 'later') {
      if (logger.debugEnabled)
        logger.debug('processor', 'hit given back: its destination is full or does not answer', { ...about(job, attempt, shown), delay_ms: entry.delay_ms })
      return { kind: 'release', delay_ms: entry.delay_ms }
    }
    const startedAt = clock.now()
    if (entry.kind === 'silent') {
      const result = silentResult(entry, origin, shown)
      const outcome = settle(job, attempt, { result }, triedOf(attempt, startedAt, result), shown)
      if (outcome.kind === 'final') signals.ended(job.config_version, result, undefined)
      return outcome
    }
    const span = beginAttempt(tracer, job, attempt, shown)
    const made = await executor.execute(job, signal, span.trace)
    endAttempt(span, made)
    entry.end(verdictOf(made))
    if (made.kind === 'stopped') {
      logger.info('processor', 'hit stopped and given back to the queue', about(job, attempt, shown))
      return { kind: 'release', delay_ms: 0 }
    }
    const { result } = made
    if (made.kind === 'unmade') {
      logger.warn('processor', 'hit failed without a request', { ...about(job, attempt, shown), ...loggable(result) })
      signals.ended(job.config_version, result, undefined)
      return { kind: 'final', result }
    }
    const ms = result.timings?.total ?? 0
    signals.attempted(ms, result.error_class)
    const outcome = settle(job, attempt, made, triedOf(attempt, startedAt, result), shown)
    if (outcome.kind === 'final') signals.ended(job.config_version, result, ms)
    return outcome
  }
}

type Finished = Pick<Extract<AttemptResult, { kind: 'finished' }>, 'result' | 'retry_after_ms'>

/** What an attempt tells of its destination. What is refused here, or fails in the worker, says nothing of it. */
function verdictOf(made: AttemptResult): Verdict {
  if (made.kind !== 'finished') return 'nothing'
  const { error_class } = made.result
  if (error_class === 'blocked_address' || error_class === 'internal') return 'nothing'
  return error_class !== undefined && isNoAnswer(error_class) && !made.elsewhere ? error_class : 'answered'
}

/** How a hit fails that has waited for too long for a destination that does not answer. */
function silentResult({ error_class, down_ms }: Extract<Entry, { kind: 'silent' }>, origin: string, shown: string): HitOutcomeResult {
  const minutes = Math.round(down_ms / 60_000)
  return failedResult(
    error_class,
    `Cannot hit ${shown}: no request was made, since ${origin} has not answered for ${minutes} minutes (${error_class}) and its hits wait no longer`,
  )
}

/** An attempt as the history keeps it. */
function triedOf(attempt: number, startedAt: number, { status_code, error_class, error, timings }: HitOutcomeResult): HitAttempt {
  return {
    attempt,
    started_at: new Date(startedAt).toISOString(),
    total_ms: timings?.total ?? 0,
    ...(status_code === undefined ? {} : { status_code }),
    ...(error_class === undefined ? {} : { error_class }),
    ...(error === undefined ? {} : { error }),
  }
}

/** Which attempt a log line speaks of. */
const about = ({ task_id, config_version, request_id, traceparent }: HitJob, attempt: number, target: string) => ({
  task_id,
  attempt,
  config_version,
  target,
  ...(request_id === undefined ? {} : { request_id }),
  ...traceLogFields(traceparent),
})

/** Begins an attempt in the trace of its hit. @param shown the target as logs may show it */
function beginAttempt(tracer: Tracer, job: HitJob, attempt: number, shown: string): Span {
  const parent = traceContextOf(job.traceparent, job.tracestate)
  if (!tracer.enabled) return tracer.begin('hit', { kind: 'client', parent })
  const { task_id, config_version, request_id } = job
  const fields = { 'dcm.task_id': task_id, 'dcm.attempt': attempt, 'dcm.version': config_version, 'dcm.request_id': request_id, 'url.full': shown }
  return tracer.begin('hit', { kind: 'client', parent, fields })
}

/** Ends it as it was judged: never with what the target answered. */
function endAttempt(span: Span, made: AttemptResult): void {
  const { status_code, error_class }: Partial<HitOutcomeResult> = made.kind === 'stopped' ? {} : made.result
  span.end({ 'http.response.status_code': status_code, 'error.type': error_class, 'dcm.outcome': made.kind }, error_class)
}

/** What of a result may be logged: never its body. */
function loggable({ status_code, error_class, error, timings, size_bytes }: HitOutcomeResult) {
  return { status_code, error_class, error, size_bytes, total_ms: timings?.total }
}
