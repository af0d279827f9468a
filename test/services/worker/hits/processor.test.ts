import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { hitErrorClasses } from '#lib/contract/hit.ts'
import { retryAfterMs } from '#lib/http/retry-after.ts'
import { createLogger, silentLogger } from '#lib/observe/logger.ts'
import type { HitOutcomeResult } from '#lib/queue/port.ts'
import type { AttemptResult } from '#services/worker/hits/execute.ts'
import { createHitProcessor } from '#services/worker/hits/processor.ts'
import { retryDelay } from '#services/worker/hits/retry.ts'
import { plainAnswer, RawTarget } from '#test/_support/targets.ts'
import { jobFor, testExecutor } from './attempt.ts'

const middle = { random: () => 0.5 }
const failed = (fields: Partial<HitOutcomeResult>, retryAfter?: number): AttemptResult => ({
  kind: 'finished',
  result: { status: 'failed', error: 'it failed', ...fields },
  ...(retryAfter === undefined ? {} : { retry_after_ms: retryAfter }),
})
const run = (outcome: AttemptResult, attempt = 1, retryMax = 3) =>
  createHitProcessor({ executor: { execute: async () => outcome }, retryMax, logger: silentLogger, clock: middle })(jobFor('http://a.test/'), {
    attempt,
    signal: new AbortController().signal,
  })

describe('the processor', () => {
  const retried = ['dns_error', 'connection_refused', 'connection_reset', 'tls_error', 'timeout']

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
    expect(await Promise.all([1, 2, 3, 4].map((attempt) => run(timeout, attempt)))).toEqual([
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
    expect(await run(failed({ error_class: 'unexpected_status', status_code: 503 }, 1500))).toEqual({ kind: 'retry', delay_ms: 1500 })
  })

  test('logs neither query, credentials nor body', async () => {
    const lines: string[] = []
    const destination = new Writable({
      write: (chunk, _encoding, done) => {
        lines.push(String(chunk))
        done()
      },
    })
    const logger = createLogger({ service: 'worker', level: 'debug', format: 'json', destination })
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(500, 'hush-body')))
    await using executor = testExecutor()
    const process = createHitProcessor({ executor, retryMax: 1, logger, clock: middle })
    const context = { attempt: 1, signal: new AbortController().signal }
    const request = { headers: { Authorization: 'hush-header' }, body: 'hush-request' }
    await process(jobFor(target.url('/p?token=hush-query'), request), context)
    await process(jobFor(target.url('/p?token=hush-query'), { ...request, expect_status: [200] }), context)
    await process(jobFor('http://hush-user:hush-pass@127.0.0.1/'), context)
    await process(jobFor('hush-nonsense'), context)
    expect(lines).toHaveLength(4)
    expect(lines.join('')).not.toContain('hush')
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
