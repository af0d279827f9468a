import { describe, expect, test, vi } from 'vitest'
import { BacklogFullError, QueueUnavailableError } from '#lib/queue/port.ts'
import { TestRedis } from '#test/_support/redis.ts'
import { type Scrape, scrape } from '#test/_support/scrape.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { TestWorker } from '#test/_support/worker.ts'
import { engines } from './engines.ts'

const scrapeOf = (worker: TestWorker): Promise<Scrape> => scrape((path) => worker.request(path))
const soon = { timeout: 15_000, interval: 20 }

describe.each(engines)('on the %s engine', (engine, openStore) => {
  test('hits, their attempts and the queue are told', { timeout: 30_000 }, async () => {
    await using store = await openStore()
    await using target = await StubServer.open((request, response) => void response.writeHead(request.path === '/no' ? 404 : 200).end())
    await using worker = await TestWorker.open({ env: { ...store.env, WORKER_RETRY_MAX: '1', HIT_MAX_BACKLOG: '1000' } })
    const ended = async (path: string) => (await worker.request(path)).json()
    expect((await scrapeOf(worker)).of('dcm_worker_config_version')).toEqual({})
    await worker.configure(target.url, 3)
    for (let at = 0; at < 3; at++) await ended('/hit?wait=10')
    await worker.configure(`${target.url}/no`, 4, { request: { expect_status: [200] } })
    await ended('/hit?wait=10')
    // Nobody listens there: tried twice.
    await worker.configure('http://127.0.0.1:9/', 5)
    await ended('/hit?wait=10')
    await vi.waitFor(async () => expect((await scrapeOf(worker)).value('dcm_hit_queue_depth{state="active"}')).toBe(0), soon)
    const scraped = await scrapeOf(worker)
    expect(scraped.value('dcm_worker_config_version')).toBe(5)
    expect(scraped.value(`dcm_hit_queue_info{engine="${engine}"}`)).toBe(1)
    expect(scraped.value('dcm_hits_accepted_total')).toBe(5)
    const hits = Object.entries(scraped.of('dcm_hits_total')).filter(([, value]) => value > 0)
    expect(Object.fromEntries(hits)).toEqual({
      '{outcome="completed",error_class="none"}': 3,
      '{outcome="failed",error_class="unexpected_status"}': 1,
      '{outcome="failed",error_class="connection_refused"}': 1,
    })
    const attempts = Object.entries(scraped.of('dcm_hit_attempts_total')).filter(([, value]) => value > 0)
    expect(Object.fromEntries(attempts)).toEqual({ '{error_class="none"}': 3, '{error_class="unexpected_status"}': 1, '{error_class="connection_refused"}': 2 })
    expect(scraped.value('dcm_hit_retries_total')).toBe(1)
    const counts = ['dcm_hit_wait_seconds', 'dcm_hit_attempt_duration_seconds', 'dcm_hit_duration_seconds'].map((name) => scraped.value(`${name}_count`))
    expect(counts).toEqual([5, 6, 5])
    // The last one waited for about a second before its second attempt.
    expect(scraped.value('dcm_hit_duration_seconds_sum')).toBeGreaterThan(0.7)
    expect(scraped.value('dcm_hit_queue_max_backlog')).toBe(1000)
    expect(scraped.of('dcm_hit_queue_depth')).toEqual({ '{state="queued"}': 0, '{state="active"}': 0, '{state="delayed"}': 0 })
    expect([scraped.value('dcm_hit_queue_oldest_seconds'), scraped.value('dcm_hit_queue_up'), scraped.value('dcm_hit_queue_paused')]).toEqual([0, 1, 0])
  })

  test('what waits is told with its age, and that hits are paused', { timeout: 30_000 }, async () => {
    await using store = await openStore()
    await using worker = await TestWorker.open({ env: store.env })
    await worker.configure('http://127.0.0.1:9/')
    await worker.request('/hits/pause', { method: 'POST' })
    await worker.request('/hits', { body: { count: 7 } })
    await vi.waitFor(async () => expect((await scrapeOf(worker)).value('dcm_hit_queue_oldest_seconds')).toBeGreaterThan(0.5), soon)
    const scraped = await scrapeOf(worker)
    expect(scraped.of('dcm_hit_queue_depth')).toEqual({ '{state="queued"}': 7, '{state="active"}': 0, '{state="delayed"}': 0 })
    expect([scraped.value('dcm_hit_queue_paused'), scraped.value('dcm_hits_accepted_total')]).toEqual([1, 7])
    expect(scraped.value('dcm_hit_queue_oldest_seconds')).toBeLessThan(20)
  })
})

test('a hit that is not queued is counted by why', async () => {
  await using worker = await TestWorker.open({ process: false })
  await worker.request('/hit')
  await worker.configure('http://127.0.0.1:9/')
  const { queue } = worker.deps
  queue.enqueueMany = () => Promise.reject(new BacklogFullError(7, 7))
  await worker.request('/hits', { body: { count: 12 } })
  queue.enqueue = () => Promise.reject(new QueueUnavailableError('it is away', 'unknown'))
  await worker.request('/hit')
  const scraped = await scrapeOf(worker)
  expect(scraped.of('dcm_hits_refused_total')).toEqual({ '{reason="backlog_full"}': 12, '{reason="queue_unavailable"}': 1, '{reason="nothing_to_hit"}': 1 })
  expect(scraped.value('dcm_hits_accepted_total')).toBe(0)
})

test('a repeated hit is not accepted twice', async () => {
  await using worker = await TestWorker.open({ process: false })
  await worker.configure('http://127.0.0.1:9/')
  for (let at = 0; at < 3; at++) await worker.request('/hit', { method: 'POST', headers: { 'Idempotency-Key': 'one' } })
  expect((await scrapeOf(worker)).value('dcm_hits_accepted_total')).toBe(1)
})

test('a destination that does not answer is an open circuit, whichever it is', { timeout: 30_000 }, async () => {
  await using worker = await TestWorker.open()
  await worker.configure('http://127.0.0.1:9/secret-path')
  await worker.request('/hits', { body: { count: 20 } })
  await vi.waitFor(async () => expect((await scrapeOf(worker)).value('dcm_hit_circuits_open')).toBe(1), soon)
  expect((await scrapeOf(worker)).text).not.toMatch(/127\.0\.0\.1|secret-path/)
})

test.each(['hangs', 'is dead'])('a Redis that %s is told within a second', { timeout: 30_000 }, async (how) => {
  await using redis = await TestRedis.start()
  await using worker = await TestWorker.open({ env: { HIT_QUEUE: 'redis', REDIS_HOST: redis.host, REDIS_PORT: String(redis.port) } })
  const { url } = await worker.listen()
  const ask = () => scrape((path) => fetch(url + path))
  expect((await ask()).value('dcm_hit_queue_up')).toBe(1)
  if (how === 'hangs') redis.hang()
  else await redis.kill()
  // The numbers of a moment ago are told again for a moment; from then on it is away, also while that is not known yet.
  for (let up: number | undefined = 1; up !== 0; ) {
    const began = performance.now()
    up = (await ask()).value('dcm_hit_queue_up')
    expect(performance.now() - began).toBeLessThan(1000)
    expect(up).toBeDefined()
  }
  for (let at = 0; at < 3; at++) {
    const began = performance.now()
    const [scraped] = await Promise.all([ask(), ask(), ask()])
    expect(performance.now() - began).toBeLessThan(1000)
    expect(scraped.value('dcm_hit_queue_up')).toBe(0)
    expect([scraped.of('dcm_hit_queue_depth'), scraped.of('dcm_hit_queue_oldest_seconds')]).toEqual([{}, {}])
    expect(scraped.value('dcm_hit_queue_info{engine="redis"}')).toBe(1)
  }
  if (how === 'hangs') redis.wake()
  else await redis.start()
  await vi.waitFor(async () => expect((await ask()).value('dcm_hit_queue_up')).toBe(1), soon)
})
