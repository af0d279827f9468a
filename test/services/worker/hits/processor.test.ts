import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { hitErrorClasses } from '#lib/contract/hit.ts'
import { retryAfterMs } from '#lib/http/retry-after.ts'
import { createLogger, silentLogger } from '#lib/observe/logger.ts'
import type { HitOutcomeResult } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { createDestinations, type Destinations, type Entry, type Pass } from '#services/worker/hits/destinations.ts'
import type { AttemptResult } from '#services/worker/hits/execute.ts'
import { createHitProcessor } from '#services/worker/hits/processor.ts'
import { retryDelay } from '#services/worker/hits/retry.ts'
import { createSignals, type Signals } from '#services/worker/hits/signals.ts'
import { plainAnswer, RawTarget } from '#test/_support/targets.ts'
import { jobFor, testExecutor } from './attempt.ts'

const NOW = Date.UTC(2026, 10, 24, 9)
const middle = { now: () => NOW, random: () => 0.5 }
const failed = (fields: Partial<HitOutcomeResult>, retryAfter?: number) => ({
  kind: 'finished' as const,
  result: { status: 'failed' as const, error: 'it failed', timings: { total: 12.5 }, ...fields },
  ...(retryAfter === undefined ? {} : { retry_after_ms: retryAfter }),
})
const completed: AttemptResult = { kind: 'finished', result: { status: 'completed', status_code: 200, body: 'x', timings: { total: 4.2 } } }

/** A processor on an executor and destinations that say what they are told to; `told` is what it told others. */
const processorOf = (outcome: AttemptResult, { retryMax = 3, entry }: { readonly retryMax?: number; readonly entry?: Exclude<Entry, Pass> } = {}) => {
  const told: unknown[] = []
  const destinations: Pick<Destinations, 'enter'> = {
    enter: (origin, acceptedAt) => {
      told.push(['enter', origin, acceptedAt])
      return entry ?? { kind: 'pass', end: (verdict) => told.push(['end', verdict]) }
    },
  }
  const signals: Pick<Signals, 'waited' | 'attempted' | 'ended'> = {
    waited: (...args) => told.push(['waited', ...args]),
    attempted: (...args) => told.push(['attempted', ...args]),
    ended: (version, { status }, ms) => told.push(['ended', version, status, ms]),
  }
  const process = createHitProcessor({ executor: { execute: async () => outcome }, destinations, signals, retryMax, logger: silentLogger, clock: middle })
  return { process, told }
}
const first = { attempt: 1, again: false, signal: new AbortController().signal }
const run = (outcome: AttemptResult, attempt = 1, retryMax = 3) =>
  processorOf(outcome, { retryMax }).process(jobFor('http://a.test/'), { ...first, attempt, again: attempt > 1 })
const verdictOf = async (outcome: AttemptResult): Promise<unknown> => {
  const { process, told } = processorOf(outcome)
  await process(jobFor('http://a.test/'), first)
  return told.flatMap((line) => (Array.isArray(line) && line[0] === 'end' ? [line[1]] : []))
}

const retried = ['dns_error', 'connection_refused', 'connection_reset', 'tls_error', 'timeout']

describe('the processor', () => {
  test.each(hitErrorClasses)('%s', async (error_class) => {
    const outcome = await run(failed({ error_class }))
    expect(outcome.kind).toBe(retried.includes(error_class) ? 'retry' : 'final')
  })

  test.each([
    [408, 'retry'],
    [425, 'retry'],
    [429, 'retry'],
    [500, 'retry'],
    [503, 'retry'],
    [599, 'retry'],
    [200, 'final'],
    [301, 'final'],
    [404, 'final'],
    [409, 'final'],
  ])('an unexpected %d: %s', async (status_code, kind) => {
    expect((await run(failed({ error_class: 'unexpected_status', status_code }))).kind).toBe(kind)
  })

  test('WORKER_RETRY_MAX counts the tries after the first', async () => {
    const timeout = failed({ error_class: 'timeout' })
    expect(await Promise.all([1, 2, 3, 4].map((attempt) => run(timeout, attempt)))).toMatchObject([
      { kind: 'retry', delay_ms: 1000 },
      { kind: 'retry', delay_ms: 2000 },
      { kind: 'retry', delay_ms: 4000 },
      { kind: 'final', result: { status: 'failed', error: 'it failed', error_class: 'timeout' } },
    ])
    expect((await run(timeout, 1, 0)).kind).toBe('final')
  })

  test('what was stopped is released uncharged', async () => {
    expect(await run({ kind: 'stopped' })).toEqual({ kind: 'release', delay_ms: 0 })
  })

  test('Retry-After reaches the delay', async () => {
    expect(await run(failed({ error_class: 'unexpected_status', status_code: 503 }, 1500))).toMatchObject({ kind: 'retry', delay_ms: 1500 })
  })

  test('each attempt that was charged is told for the history, without its body', async () => {
    const tried = { started_at: '2026-11-24T09:00:00.000Z', total_ms: 12.5, error: 'it failed' }
    expect(await run(failed({ error_class: 'timeout' }), 2)).toMatchObject({ kind: 'retry', tried: { ...tried, attempt: 2, error_class: 'timeout' } })
    const unexpected = await run(failed({ error_class: 'unexpected_status', status_code: 404, body: 'none' }), 3)
    expect(unexpected.kind === 'final' && unexpected.tried).toEqual({ ...tried, attempt: 3, status_code: 404, error_class: 'unexpected_status' })
    const good = await run(completed)
    expect(good.kind === 'final' && good.tried).toEqual({ attempt: 1, started_at: tried.started_at, total_ms: 4.2, status_code: 200 })
  })

  test('a hit whose request cannot be made ends at once, and no attempt is told', async () => {
    const result: HitOutcomeResult = { status: 'failed', error_class: 'internal', error: 'no such secret' }
    expect(await run({ kind: 'unmade', result })).toEqual({ kind: 'final', result })
  })
})

describe('the destination', () => {
  test('is the origin of the URL; what is no URL shares one', async () => {
    for (const [url, origin] of [
      ['http://a.test:80/x?y', 'http://a.test'],
      ['https://A.test:8443/', 'https://a.test:8443'],
      ['nonsense', 'null'],
    ] as const) {
      const { process, told } = processorOf(completed)
      await process({ ...jobFor(url), enqueued_at: 7 }, first)
      expect(told[0]).toEqual(['enter', origin, 7])
    }
  })

  test('full: the hit is released, uncharged', async () => {
    const { process, told } = processorOf(completed, { entry: { kind: 'later', delay_ms: 321 } })
    expect(await process(jobFor('http://a.test/'), first)).toEqual({ kind: 'release', delay_ms: 321 })
    expect(told.map((line) => Array.isArray(line) && line[0])).toEqual(['enter', 'waited'])
  })

  test('silent for too long: the attempt fails without a request, by the usual rules', async () => {
    const entry = { kind: 'silent', error_class: 'connection_refused', down_ms: 900_000 } as const
    const { process, told } = processorOf(completed, { entry })
    const error =
      'Cannot hit http://a.test/: no request was made, since http://a.test has not answered for 15 minutes (connection_refused) and its hits wait no longer'
    const tried = { started_at: '2026-11-24T09:00:00.000Z', total_ms: 0, error_class: 'connection_refused', error }
    expect(await process(jobFor('http://a.test/?q'), first)).toEqual({ kind: 'retry', delay_ms: 1000, tried: { ...tried, attempt: 1 } })
    expect(await process(jobFor('http://a.test/?q'), { ...first, attempt: 4, again: true })).toEqual({
      kind: 'final',
      result: { status: 'failed', error_class: 'connection_refused', error },
      tried: { ...tried, attempt: 4 },
    })
    expect(told).toContainEqual(['ended', 1, 'failed', undefined])
  })

  test.each(hitErrorClasses)('is told of %s', async (error_class) => {
    const nothing = ['blocked_address', 'internal'].includes(error_class)
    expect(await verdictOf(failed({ error_class }))).toEqual([retried.includes(error_class) ? error_class : nothing ? 'nothing' : 'answered'])
  })

  test('has answered where it redirected to another that did not', async () => {
    expect(await verdictOf({ ...failed({ error_class: 'timeout' }), elsewhere: true })).toEqual(['answered'])
  })

  test('is told of an answer, and nothing where the attempt was stopped or not made', async () => {
    expect(await verdictOf(completed)).toEqual(['answered'])
    expect(await verdictOf({ kind: 'stopped' })).toEqual(['nothing'])
    expect(await verdictOf({ kind: 'unmade', result: { status: 'failed' } })).toEqual(['nothing'])
  })
})

describe('signals', () => {
  test('are given of the wait where the hit is new, of each attempt, and of the end', async () => {
    const good = processorOf(completed)
    await good.process({ ...jobFor('http://a.test/'), enqueued_at: NOW - 40 }, first)
    expect(good.told.filter((line) => Array.isArray(line) && !['enter', 'end'].includes(line[0]))).toEqual([
      ['waited', 40],
      ['attempted', 4.2, undefined],
      ['ended', 1, 'completed', 4.2],
    ])
    const bad = processorOf(failed({ error_class: 'timeout' }))
    await bad.process(jobFor('http://a.test/'), { ...first, again: true })
    expect(bad.told.filter((line) => Array.isArray(line) && !['enter', 'end'].includes(line[0]))).toEqual([['attempted', 12.5, 'timeout']])
  })
})

describe('the log', () => {
  test('holds neither query, credentials nor body', async () => {
    const lines: string[] = []
    const destination = new Writable({
      write: (chunk, _encoding, done) => {
        lines.push(String(chunk))
        done()
      },
    })
    const logger = createLogger({ service: 'worker', level: 'debug', format: 'json', destination })
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(500, 'hush-body')))
    await using executor = testExecutor({ secrets: new Map([['KEY', 'hush-secret']]) })
    const process = createHitProcessor({
      executor,
      destinations: createDestinations({ perHost: 1, clock: systemClock, logger }),
      signals: createSignals({ clock: systemClock }),
      retryMax: 1,
      logger,
      clock: middle,
    })
    const request = { headers: { Authorization: 'hush-header', 'X-Key': `\${secret:KEY}` }, body: 'hush-request' }
    const outcomes = [
      await process(jobFor(target.url('/p?token=hush-query'), request), first),
      await process(jobFor(target.url('/p?token=hush-query'), { ...request, expect_status: [200] }), first),
      await process(jobFor('http://hush-user:hush-pass@127.0.0.1/'), first),
      await process(jobFor('hush-nonsense'), first),
      await process(jobFor(target.url('/p?hush-query'), { headers: { 'X-Key': `\${secret:NONE}` } }), first),
    ]
    expect(target.requests[0]?.headers['x-key']).toBe('hush-secret')
    expect(lines).toHaveLength(5)
    expect(lines.join('')).not.toContain('hush')
    expect(JSON.stringify(outcomes).replaceAll('hush-body', '')).not.toContain('hush')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ part: 'processor', target: target.url('/p'), status_code: 500, attempt: 1 })
  })
})

describe('delays', () => {
  test.each([
    [1, undefined, 1000],
    [1, 0, 1000],
    [1, 1700, 1700],
    [1, 60_000, 2000],
    [3, 1000, 4000],
    [3, 60_000, 8000],
    [9, undefined, 256_000],
    [9, 10_000_000, 300_000],
    [50, undefined, 300_000],
  ])('after try %d, asked for %s ms: %d ms', (attempt, asked, delay) => {
    expect(retryDelay(attempt, asked, middle)).toBe(delay)
  })

  test('vary by a fifth', () => {
    expect(retryDelay(1, undefined, { random: () => 0 })).toBe(800)
    expect(retryDelay(1, undefined, { random: () => 0.999_999 })).toBe(1200)
  })

  test.each([
    ['7', 7000],
    ['0', 0],
    ['Tue, 24 Nov 2026 00:00:10 GMT', 10_000],
    ['Mon, 23 Nov 2026 00:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    ['-5', undefined],
    [undefined, undefined],
  ])('Retry-After %j is %s ms', (header, expected) => {
    expect(retryAfterMs(header, Date.UTC(2026, 10, 24))).toBe(expected)
  })
})
