import { mkdirSync, rmSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import type { ErrorCode } from '#lib/contract/errors.ts'
import { HealthSchema, ReadySchema } from '#lib/contract/health.ts'
import { HitAcceptedSchema, HitResultSchema } from '#lib/contract/hit.ts'
import { BulkHitsSchema, BulkRetrySchema, HitStatsSchema, HitsPageSchema, PausedSchema } from '#lib/contract/hits.ts'
import { WorkerConfigAcceptedSchema, WorkerConfigSchema } from '#lib/contract/worker.ts'
import { BacklogFullError, type HitQueue, QueueUnavailableError } from '#lib/queue/port.ts'
import { checkError, dataOf, errorOf, tryWrongKeys } from '#test/_support/controller.ts'
import { rawRequest, requestBytes } from '#test/_support/raw-http.ts'
import { TestWorker } from '#test/_support/worker.ts'
import { operations } from '../controller/openapi.ts'

const unknown = '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10'
/** Pairs of operation and status that an answer was really seen for; the last test holds them against the document. */
const seen = new Set<string>()

/** A queue all of whose methods fail as the port says. */
const failingQueue = (error: () => Error): HitQueue => {
  const fail = async () => {
    throw error()
  }
  return {
    engine: 'embedded',
    enqueue: fail,
    enqueueMany: fail,
    list: fail,
    retry: fail,
    retryFailed: fail,
    pause: fail,
    resume: fail,
    counts: fail,
    find: fail,
    waitForEnd: fail,
    start: () => {},
    drain: async () => {},
    health: async () => ({ engine: 'embedded', ok: false, warnings: ['it is away'] }),
    [Symbol.asyncDispose]: async () => {},
  }
}
const away = { overrides: { queue: failingQueue(() => new QueueUnavailableError('it is away', 'unknown')) } }
const full = { overrides: { queue: failingQueue(() => new BacklogFullError(7, 7)) } }

interface Request {
  readonly method?: string
  readonly body?: object | string
  readonly headers?: Readonly<Record<string, string>>
}
interface Case {
  readonly operation: string
  readonly status: number
  readonly path?: string
  readonly request?: Request
  /** The schema of `data`, or the code of the error. */
  readonly body: z.ZodType | ErrorCode
  readonly name?: string
  readonly open?: Parameters<typeof TestWorker.open>[0]
  /** Whether it holds a config with a url; it does unless this is false. */
  readonly configured?: boolean
  readonly before?: (worker: TestWorker) => unknown
}

const post: Request = { method: 'POST' }
const config = { version: 1, data: { url: 'http://localhost:1/' } }
const keyCases = (operation: string, request: Request): Case[] => [
  { operation, status: 401, request, open: { env: { WORKER_API_KEY: 'the-key' } }, configured: false, body: 'UNAUTHORIZED' },
  {
    operation,
    status: 403,
    request: { ...request, headers: { 'X-API-Key': 'wrong' } },
    open: { env: { WORKER_API_KEY: 'the-key' } },
    configured: false,
    body: 'FORBIDDEN',
  },
  {
    operation,
    status: 429,
    request: { ...request, headers: { 'X-API-Key': 'another' } },
    open: { env: { WORKER_API_KEY: 'the-key' } },
    configured: false,
    before: ({ deps }) => tryWrongKeys(deps.wrongKeys),
    body: 'TOO_MANY_ATTEMPTS',
  },
  { operation, status: 403, request: { ...request, headers: { Origin: 'https://evil.example' } }, body: 'FORBIDDEN_ORIGIN', name: 'a page' },
]
const bodyCases = (operation: string, limit: number): Case[] => [
  ...['{"a":', '[]', '{}', '{"__proto__":{}}'].map((body) => ({ operation, status: 400, request: { body }, body: 'INVALID_REQUEST' as const, name: body })),
  { operation, status: 413, request: { body: `{"x":"${'x'.repeat(limit)}"}` }, body: 'PAYLOAD_TOO_LARGE' },
  { operation, status: 415, request: { body: '{}', headers: { 'Content-Type': 'text/plain' } }, body: 'UNSUPPORTED_MEDIA_TYPE' },
]
const enqueueCases = (operation: string, request: Request): Case[] => [
  { operation, status: 202, request, body: HitAcceptedSchema },
  { operation, status: 429, request, open: full, body: 'BACKLOG_FULL' },
  { operation, status: 500, request, configured: false, body: 'ENQUEUE_FAILED' },
  { operation, status: 503, request, open: away, body: 'QUEUE_UNAVAILABLE' },
]
/** A hit of the given id, in a queue that has nothing else. */
const theHit = (worker: TestWorker) =>
  worker.deps.queue.enqueue({ task_id: unknown, url: 'http://localhost:1/', config_version: 1, enqueued_at: worker.deps.clock.now() })
/** Lets it end. */
const ended = async (worker: TestWorker) => {
  await theHit(worker)
  worker.process()
  await worker.deps.queue.waitForEnd(unknown, AbortSignal.timeout(10_000))
}
const once = { env: { WORKER_RETRY_MAX: '0' } }

const cases: readonly Case[] = [
  { operation: 'get /health', status: 200, body: HealthSchema },
  { operation: 'get /health', status: 200, open: away, body: HealthSchema, name: 'a queue that is away' },
  { operation: 'get /ready', status: 200, body: ReadySchema },
  { operation: 'get /ready', status: 503, open: away, body: 'NOT_READY' },

  { operation: 'post /config', status: 200, request: { body: config }, body: WorkerConfigAcceptedSchema },
  {
    operation: 'post /config',
    status: 409,
    path: '/config?if_newer=true',
    request: { body: config },
    before: ({ deps }) => deps.holder.accept({ ...config, version: 2 }, true),
    body: 'STALE_VERSION',
  },
  {
    operation: 'post /config',
    status: 503,
    request: { body: config },
    before: ({ folder }) => {
      rmSync(folder.file('worker-config.json'))
      mkdirSync(folder.file('worker-config.json'))
    },
    body: 'STORE_UNAVAILABLE',
  },
  { operation: 'post /config', status: 400, request: { body: { ...config, data: { schedule: 'daily' } } }, body: 'INVALID_REQUEST', name: 'no schedule' },
  ...bodyCases('post /config', 2 * 1024 * 1024),
  ...keyCases('post /config', { body: config }),

  { operation: 'get /config', status: 200, body: WorkerConfigSchema },
  { operation: 'get /config', status: 404, configured: false, body: 'NOT_FOUND' },
  ...keyCases('get /config', {}),

  ...(['get /hit', 'post /hit'] as const).flatMap((operation) => {
    const request = { method: operation.split(' ')[0]?.toUpperCase() ?? '' }
    return [
      ...enqueueCases(operation, request),
      { operation, status: 200, path: '/hit?wait=20', request, open: once, before: (worker: TestWorker) => worker.process(), body: HitResultSchema },
      { operation, status: 400, path: '/hit?wait=x', request, body: 'INVALID_REQUEST' as const },
      ...keyCases(operation, request),
    ]
  }),

  { operation: 'get /hit/{taskId}', status: 200, path: `/hit/${unknown}`, before: theHit, body: HitResultSchema },
  { operation: 'get /hit/{taskId}', status: 400, path: '/hit/x?wait=x', body: 'INVALID_REQUEST' },
  { operation: 'get /hit/{taskId}', status: 404, path: `/hit/${unknown}`, body: 'NOT_FOUND' },
  { operation: 'get /hit/{taskId}', status: 500, path: `/hit/${unknown}`, open: away, body: 'RESULT_FETCH_FAILED' },
  ...keyCases('get /hit/{taskId}', {}),

  { operation: 'post /hit/{taskId}/retry', status: 202, path: `/hit/${unknown}/retry`, request: post, open: once, before: ended, body: HitAcceptedSchema },
  { operation: 'post /hit/{taskId}/retry', status: 404, path: `/hit/${unknown}/retry`, request: post, body: 'NOT_FOUND' },
  { operation: 'post /hit/{taskId}/retry', status: 409, path: `/hit/${unknown}/retry`, request: post, before: theHit, body: 'HIT_UNFINISHED' },
  { operation: 'post /hit/{taskId}/retry', status: 503, path: `/hit/${unknown}/retry`, request: post, open: away, body: 'QUEUE_UNAVAILABLE' },
  ...keyCases('post /hit/{taskId}/retry', post),

  { operation: 'get /hits', status: 200, path: '/hits?state=queued&limit=1000', before: theHit, body: HitsPageSchema },
  ...['state=x', 'limit=0', 'limit=1001', 'limit=x', 'cursor=x', `cursor=${'x'.repeat(500)}`].map((query) => ({
    operation: 'get /hits',
    status: 400,
    path: `/hits?${query}`,
    body: 'INVALID_REQUEST' as const,
    name: query.slice(0, 20),
  })),
  { operation: 'get /hits', status: 500, open: away, body: 'RESULT_FETCH_FAILED' },
  ...keyCases('get /hits', {}),

  ...enqueueCases('post /hits', { body: { count: 2 } }).map((one) => (one.status === 202 ? { ...one, body: BulkHitsSchema } : one)),
  ...bodyCases('post /hits', 1024),
  ...keyCases('post /hits', { body: { count: 2 } }),

  { operation: 'post /hits/retry', status: 200, request: post, body: BulkRetrySchema },
  { operation: 'post /hits/retry', status: 503, request: post, open: away, body: 'QUEUE_UNAVAILABLE' },
  ...keyCases('post /hits/retry', post),

  ...['pause', 'resume'].flatMap((action) => [
    { operation: `post /hits/${action}`, status: 200, request: post, body: PausedSchema },
    { operation: `post /hits/${action}`, status: 503, request: post, open: away, body: 'QUEUE_UNAVAILABLE' as const },
    ...keyCases(`post /hits/${action}`, post),
  ]),

  { operation: 'get /hits/stats', status: 200, body: HitStatsSchema },
  { operation: 'get /hits/stats', status: 500, open: away, body: 'RESULT_FETCH_FAILED' },
  ...keyCases('get /hits/stats', {}),
]

describe('the worker answers', () => {
  it.each(cases.map((one) => ({ ...one, title: `${one.operation}: ${one.status}${one.name ? ` to ${one.name}` : ''}` })))(
    '$title',
    async ({ operation, status, path, request, body, open, configured = true, before }) => {
      await using worker = await TestWorker.open({ process: false, ...open })
      if (configured) await worker.configure('http://localhost:1/')
      await before?.(worker)
      const [, template = ''] = operation.split(' ')
      const response = await worker.request(path ?? template, request)
      expect(response.headers.get('Cache-Control')).toBe('no-store')
      if (status === 503 || status === 429) expect(response.headers.get('Retry-After')).toMatch(/^\d+$/)
      if (typeof body === 'string') await errorOf(response, status, body)
      else await dataOf(response, status, body)
      seen.add(`${operation} ${response.status}`)
    },
  )

  it('get /metrics: 200', async () => {
    await using worker = await TestWorker.open({ process: false, env: { WORKER_API_KEY: 'the-key' } })
    const answer = await worker.request('/metrics')
    expect([answer.status, answer.headers.get('Content-Type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
    seen.add(`get /metrics ${answer.status}`)
  })

  it.each(['post /config', 'post /hits'])('%s: 408 to a body that stops', async (operation) => {
    await using worker = await TestWorker.open({ process: false })
    const { port } = await worker.listen({ headers_ms: 100, request_ms: 200 })
    const answer = await rawRequest(port, requestBytes('POST', operation.split(' ')[1] ?? '', { headers: { 'Content-Length': '100' }, body: '{"count":' }))
    if (!answer) throw new Error('closed without an answer')
    checkError(answer, 'REQUEST_TIMEOUT')
    seen.add(`${operation} ${answer.status}`)
  })

  afterAll(async () => {
    await using worker = await TestWorker.open({ process: false })
    const documented = operations(worker.app).flatMap(({ name, statuses }) => statuses.map((status) => `${name} ${status}`))
    // Both ways: what is documented was seen, and what was seen is documented.
    expect([...seen].sort()).toEqual(documented.sort())
  })
})
