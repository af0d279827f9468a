import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { HitAcceptedSchema, HitResultSchema } from '#lib/contract/hit.ts'
import { BulkHitsSchema, BulkRetrySchema, HitStatsSchema, type HitsPage, HitsPageSchema, PausedSchema } from '#lib/contract/hits.ts'
import { dataOf, errorOf } from '#test/_support/controller.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { TestWorker } from '#test/_support/worker.ts'
import { engines } from './engines.ts'

const soon = { timeout: 15_000, interval: 10 }
const unknown = '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10'
/** A destination may have all the places, and a hit fails at its first try. */
const once = { WORKER_RETRY_MAX: '0', HIT_PER_HOST: '10' }

/** Answers by path: `/ok`, `/held` until it is let go, anything else with 500. */
class Target implements AsyncDisposable {
  readonly server: StubServer
  readonly held: (() => void)[]

  private constructor(server: StubServer, held: (() => void)[]) {
    this.server = server
    this.held = held
  }

  static async open(): Promise<Target> {
    const held: (() => void)[] = []
    const server = await StubServer.open(({ path }, response) => {
      if (path === '/held') return void held.push(() => response.end('late'))
      response.writeHead(path === '/ok' ? 200 : 500).end(path)
    })
    return new Target(server, held)
  }

  get url(): string {
    return this.server.url
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]()
  }
}

const post = (worker: TestWorker, path: string, body?: object) => worker.request(path, { method: 'POST', ...(body ? { body } : {}) })
const hit = async (worker: TestWorker): Promise<string> => (await dataOf(await post(worker, '/hit'), 202, HitAcceptedSchema)).task_id
const result = async (worker: TestWorker, taskId: string) => dataOf(await worker.request(`/hit/${taskId}?wait=10`), 200, HitResultSchema)
const page = async (worker: TestWorker, query: string) => dataOf(await worker.request(`/hits?${query}`), 200, HitsPageSchema)
const stats = async (worker: TestWorker) => dataOf(await worker.request('/hits/stats'), 200, HitStatsSchema)

/** All pages from the first one on. */
async function pages(worker: TestWorker, query: string): Promise<HitsPage[]> {
  const all: HitsPage[] = []
  for (let cursor: string | undefined; all.length === 0 || cursor !== undefined; cursor = all.at(-1)?.next_cursor)
    all.push(await page(worker, query + (cursor === undefined ? '' : `&cursor=${cursor}`)))
  return all
}

describe.each(engines)('on the %s engine', (engine, openStore) => {
  test('GET /hits: each state in its order, page by page, and all states in turn', { timeout: 40_000 }, async () => {
    await using store = await openStore()
    await using target = await Target.open()
    await using worker = await TestWorker.open({ env: { ...store.env, ...once, WORKER_CONCURRENCY: '1' } })
    const request = { method: 'POST', headers: { Authorization: 'Bearer abc', Accept: 'text/plain' }, body: '{}', expect_status: [200] }
    const made: Record<string, string[]> = { completed: [], failed: [], pending: [], queued: [] }
    for (const [state, path] of [
      ['completed', '/ok'],
      ['failed', '/bad?secret=x'],
    ] as const) {
      await worker.configure(target.url + path, 7, { request })
      for (let i = 0; i < 3; i++) {
        const id = await hit(worker)
        await result(worker, id)
        made[state]?.unshift(id)
      }
    }
    await worker.configure(`${target.url}/held`, 8)
    made.pending?.push(await hit(worker))
    await vi.waitFor(() => expect(target.held).toHaveLength(1), soon)
    for (let i = 0; i < 4; i++) made.queued?.push(await hit(worker))

    for (const [state, ids] of Object.entries(made)) {
      const found = await pages(worker, `state=${state}&limit=2`)
      expect(found.flatMap(({ hits }) => hits.map(({ task_id, status }) => [status, task_id]))).toEqual(ids.map((id) => [state, id]))
      expect(found.slice(0, -1).map(({ hits }) => hits.length)).toEqual(found.slice(0, -1).map(() => 2))
      expect((await page(worker, `state=${state}`)).hits.map(({ task_id }) => task_id)).toEqual(ids)
    }
    const inTurn = [made.pending, made.queued, made.failed, made.completed].flat()
    expect((await page(worker, 'limit=1000')).hits.map(({ task_id }) => task_id)).toEqual(inTurn)
    for (const limit of [1, 3, 4]) {
      const all = await pages(worker, `limit=${limit}`)
      expect(all.flatMap(({ hits }) => hits.map(({ task_id }) => task_id))).toEqual(inTurn)
      expect(Math.max(...all.map(({ hits }) => hits.length))).toBe(limit)
    }
    const failed = (await page(worker, 'state=failed&limit=1')).hits[0]
    expect(failed).toMatchObject({
      status: 'failed',
      url: `${target.url}/bad`,
      method: 'POST',
      headers: { Authorization: '***', Accept: 'text/plain' },
      body_bytes: 2,
      config_version: 7,
      attempts: 1,
      status_code: 500,
      error_class: 'unexpected_status',
      history: [{ attempt: 1, status_code: 500 }],
    })
    expect(failed).not.toHaveProperty('body')
    // A cursor is good for the state that it was given for, and for nothing else.
    const { next_cursor: cursor = '' } = await page(worker, 'state=failed&limit=1')
    for (const query of [`state=queued&cursor=${cursor}`, 'cursor=x', 'cursor=', 'state=done', 'limit=0', 'limit=1001'])
      await errorOf(await worker.request(`/hits?${query}`), 400, 'INVALID_REQUEST')
    for (const end of target.held) end()
  })

  test('GET /hits/stats says how they stand, and what became of them by version', { timeout: 40_000 }, async () => {
    await using store = await openStore()
    await using target = await Target.open()
    await using worker = await TestWorker.open({ env: { ...store.env, ...once, WORKER_CONCURRENCY: '1', HIT_MAX_BACKLOG: '50' } })
    expect(await stats(worker)).toMatchObject({
      engine,
      paused: false,
      queued: 0,
      max_backlog: 50,
      oldest_queued_seconds: null,
      versions: [],
      outcomes: [],
      destinations: [],
    })
    await worker.configure(`${target.url}/ok`, 1)
    for (let i = 0; i < 3; i++) await result(worker, await hit(worker))
    await worker.configure(`${target.url}/bad`, 2, { request: { expect_status: [200] } })
    await result(worker, await hit(worker))
    await worker.configure(`${target.url}/held`, 3)
    await hit(worker)
    await vi.waitFor(() => expect(target.held).toHaveLength(1), soon)
    await hit(worker)
    await hit(worker)
    await vi.waitFor(async () => {
      const now = await stats(worker)
      expect(now).toMatchObject({
        queued: 2,
        active: 1,
        completed: 3,
        failed: 1,
        wait_ms: { count: 5 },
        run_ms: { count: 4 },
        by_error_class: { unexpected_status: 1 },
        versions: [
          { version: 2, completed: 0, failed: 1, success_ratio: 0, by_error_class: { unexpected_status: 1 }, latency_ms: { count: 1 } },
          { version: 1, completed: 3, failed: 0, success_ratio: 1, by_error_class: {}, latency_ms: { count: 3 } },
        ],
        outcomes: [
          { version: 2, failed: 1 },
          { version: 1, completed: 3 },
        ],
        destinations: [{ origin: target.url, active: 1, circuit: 'closed' }],
      })
      expect(now.oldest_queued_seconds).toBeGreaterThanOrEqual(0)
    }, soon)
    for (const end of target.held) end()
    await vi.waitFor(() => expect(target.held).toHaveLength(2), soon)
    target.held[1]?.()
    await vi.waitFor(() => expect(target.held).toHaveLength(3), soon)
    target.held[2]?.()
  })

  test('POST /hit/:taskId/retry and POST /hits/retry run again what has ended', { timeout: 40_000 }, async () => {
    await using store = await openStore()
    await using target = await Target.open()
    await using worker = await TestWorker.open({ env: { ...store.env, ...once } })
    await worker.configure(`${target.url}/bad`, 1, { request: { expect_status: [200] } })
    const failed = [await hit(worker), await hit(worker), await hit(worker)]
    for (const id of failed) expect(await result(worker, id)).toMatchObject({ status: 'failed', attempts: 1 })
    const [first = ''] = failed
    expect(await dataOf(await post(worker, `/hit/${first}/retry`), 202, HitAcceptedSchema)).toEqual({ task_id: first, status: 'queued' })
    await vi.waitFor(async () => expect((await result(worker, first)).history).toHaveLength(2), soon)
    expect(await dataOf(await post(worker, '/hits/retry'), 200, BulkRetrySchema)).toEqual({ retried: 3, remaining: false })
    await vi.waitFor(async () => {
      for (const id of failed) expect((await result(worker, id)).history).toHaveLength(id === first ? 3 : 2)
    }, soon)
    await worker.configure(`${target.url}/held`, 2)
    const running = await hit(worker)
    await vi.waitFor(() => expect(target.held).toHaveLength(1), soon)
    await errorOf(await post(worker, `/hit/${running}/retry`), 409, 'HIT_UNFINISHED')
    await errorOf(await post(worker, `/hit/${unknown}/retry`), 404, 'NOT_FOUND')
    await errorOf(await post(worker, '/hit/x/retry'), 404, 'NOT_FOUND')
    target.held[0]?.()
    expect(await result(worker, running)).toMatchObject({ status: 'completed' })
  })

  test('POST /hits/pause lets none begin, and /health says so; POST /hits/resume', { timeout: 40_000 }, async () => {
    await using store = await openStore()
    await using target = await Target.open()
    await using worker = await TestWorker.open({ env: { ...store.env, ...once } })
    await worker.configure(`${target.url}/ok`)
    expect(await dataOf(await post(worker, '/hits/pause'), 200, PausedSchema)).toEqual({ paused: true })
    const waiting = await hit(worker)
    expect(await stats(worker)).toMatchObject({ paused: true, queued: 1, active: 0 })
    await vi.waitFor(async () => {
      const health = await dataOf(await worker.request('/health'), 200, z.object({ warnings: z.array(z.string()), parts: z.unknown() }))
      expect(health.warnings).toContain('queue: hits are paused, and none begins until POST /hits/resume')
      expect(health.parts).toMatchObject({ queue: { paused: true } })
    }, soon)
    // Ready all the same: hits are taken.
    expect((await worker.request('/ready')).status).toBe(200)
    expect(await dataOf(await post(worker, '/hits/pause'), 200, PausedSchema)).toEqual({ paused: true })
    expect(target.server.seen).toHaveLength(0)
    expect(await dataOf(await post(worker, '/hits/resume'), 200, PausedSchema)).toEqual({ paused: false })
    expect(await result(worker, waiting)).toMatchObject({ status: 'completed' })
    expect(await stats(worker)).toMatchObject({ paused: false })
  })

  test('POST /hits queues all or none', { timeout: 40_000 }, async () => {
    await using store = await openStore()
    await using target = await Target.open()
    await using worker = await TestWorker.open({ env: { ...store.env, HIT_MAX_BACKLOG: '20' }, process: false })
    await errorOf(await post(worker, '/hits', { count: 1 }), 500, 'ENQUEUE_FAILED')
    await worker.configure(`${target.url}/ok`, 3)
    const { task_ids, status } = await dataOf(await post(worker, '/hits', { count: 20 }), 202, BulkHitsSchema)
    expect([new Set(task_ids).size, status]).toEqual([20, 'queued'])
    expect((await page(worker, 'state=queued')).hits.map(({ task_id, config_version }) => [task_id, config_version])).toEqual(task_ids.map((id) => [id, 3]))
    for (const path of ['/hits', '/hit'] as const) {
      // Redis is asked every half second how many wait.
      await vi.waitFor(async () => {
        const answer = await post(worker, path, path === '/hits' ? { count: 1 } : undefined)
        expect(answer.headers.get('Retry-After')).toBe('5')
        expect((await errorOf(answer, 429, 'BACKLOG_FULL')).message).toMatch(/^Cannot queue the hits?: \d+ hits wait, and at most 20 may \(HIT_MAX_BACKLOG\)/)
      }, soon)
    }
    const { queued } = await stats(worker)
    expect(queued).toBeGreaterThanOrEqual(20)
    expect((await page(worker, 'limit=1000')).hits).toHaveLength(queued)
    for (const count of [0, -1, 10_001, 1.5, '1', null]) await errorOf(await worker.request('/hits', { body: { count } }), 400, 'INVALID_REQUEST')
    const keyed = await worker.request('/hits', { body: { count: 1 }, headers: { 'Idempotency-Key': 'order-1' } })
    expect((await errorOf(keyed, 400, 'INVALID_REQUEST')).error.details).toEqual([
      { path: 'header.idempotency-key', message: 'expected none: it stands for one hit, not for many' },
    ])
    worker.process()
    for (const id of task_ids) expect(await result(worker, id)).toMatchObject({ status: 'completed' })
  })
})

test('hits that are large are queued in bulk only as many as fit, and a page of them ends early', async () => {
  await using worker = await TestWorker.open({ process: false })
  await worker.configure('http://localhost:1/', 1, { request: { method: 'POST', headers: { 'X-Long': 'x '.repeat(30_000) } } })
  const refused = await errorOf(await worker.request('/hits', { body: { count: 1000 } }), 400, 'INVALID_REQUEST')
  const most = Number(/^expected at most (\d+): /.exec(refused.error.details?.[0]?.message ?? '')?.[1])
  expect(most).toBeGreaterThan(400)
  await dataOf(await worker.request('/hits', { body: { count: most } }), 202, BulkHitsSchema)
  const found = await pages(worker, 'state=queued&limit=1000')
  expect(found.length).toBeGreaterThan(2)
  expect(found.flatMap(({ hits }) => hits)).toHaveLength(most)
  for (const { hits } of found) expect(hits.length).toBeLessThan(300)
})
