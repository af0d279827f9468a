import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type FleetStatus, FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { HitResultSchema, isFinalStatus } from '#lib/contract/hit.ts'
import { TestAgent } from '#test/_support/agent.ts'
import { dataOf, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { GoWorker, serveGo } from '#test/_support/go-system.ts'
import { TestRelay } from '#test/_support/relay.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { finalResult, publishUrl, queueHit, startService, workerVersion } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { TestWorker } from '#test/_support/worker.ts'

const soon = { timeout: 15_000, interval: 10 }

/** Makes hits, one after the other, to their end. */
async function hit(worker: TestWorker, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { status } = await dataOf(await worker.request('/hit?wait=10', { method: 'POST' }), 200, HitResultSchema)
    expect(isFinalStatus(status)).toBe(true)
  }
}

const target = () => StubServer.open(({ path }, response) => void response.writeHead(path === '/ok' ? 200 : 500).end())
const expecting200 = { request: { expect_status: [200] } }
const shown = (hits: FleetStatus['hits']) =>
  hits.map(({ version, completed, failed, success_ratio, agents }) => ({ version, completed, failed, success_ratio, agents }))

test.concurrent('through two relays and directly: the status of the controller tells what became of hits, by version', { timeout: 40_000 }, async () => {
  using folders = new DisposableStack()
  const folder = () => folders.use(new TempFolder()).path
  await using server = await target()
  await using controller = await TestController.open()
  const listening = await controller.listen()
  const controllerUrl = `http://127.0.0.1:${listening.port}`
  await using upper = await TestRelay.open({ controllerUrl })
  await using lower = await TestRelay.open({ controllerUrl: upper.url })
  await using direct = await TestWorker.open({ env: { WORKER_RETRY_MAX: '0' } })
  await using below = await TestWorker.open({ env: { WORKER_RETRY_MAX: '0' } })
  const settings = { apiKey: TEST_KEY, outcomeGapMs: 50 }
  await using _one = new TestAgent({ dataDir: folder(), settings: { ...settings, controllerUrl, workerUrl: (await direct.listen()).url } })
  await using _other = new TestAgent({ dataDir: folder(), settings: { ...settings, controllerUrl: lower.url, workerUrl: (await below.listen()).url } })
  const bothHave = (version: number) =>
    vi.waitFor(() => expect([direct, below].map(({ deps }) => deps.holder.current?.version)).toEqual([version, version]), soon)
  const hits = async () => shown((await dataOf(await controller.request('/status'), 200, FleetStatusSchema)).hits)

  await controller.publish({ url: `${server.url}/bad`, ...expecting200 })
  await bothHave(1)
  await hit(direct, 1)
  await hit(below, 2)
  await vi.waitFor(async () => expect(await hits()).toEqual([{ version: 1, completed: 0, failed: 3, success_ratio: 0, agents: 2 }]), soon)
  await controller.publish({ url: `${server.url}/ok`, ...expecting200 })
  await bothHave(2)
  await hit(below, 3)
  await vi.waitFor(
    async () =>
      expect(await hits()).toEqual([
        { version: 2, completed: 3, failed: 0, success_ratio: 1, agents: 1 },
        { version: 1, completed: 0, failed: 3, success_ratio: 0, agents: 2 },
      ]),
    soon,
  )
  expect((await dataOf(await controller.request('/status'), 200, FleetStatusSchema)).hits[0]?.latency_ms.count).toBe(3)
})

test.concurrent('three processes: a version that fails and one that does not are told apart by GET /status', { timeout: 90_000 }, async () => {
  using folder = new TempFolder()
  await using server = await target()
  await using controller = startService('controller', { DATA_DIR: folder.path })
  await using worker = startService('worker', { DATA_DIR: folder.path, WORKER_RETRY_MAX: '0' })
  const [controllerPort, workerPort] = await Promise.all([controller.listening(), worker.listening()])
  await using _agent = startService('agent', {
    DATA_DIR: folder.path,
    CONTROLLER_URL: `http://127.0.0.1:${controllerPort}`,
    WORKER_URL: `http://127.0.0.1:${workerPort}`,
  })
  // Nobody listens on the first one's port.
  for (const [version, url] of [
    [1, 'http://127.0.0.1:9/'],
    [2, `${server.url}/ok`],
  ] as const) {
    await publishUrl(controllerPort, url)
    await vi.waitFor(async () => expect(await workerVersion(workerPort)).toBe(version), soon)
    for (let i = 0; i < 2; i++) await finalResult(workerPort, (await queueHit(workerPort)).taskId ?? '')
  }
  await vi.waitFor(
    async () => {
      const answer = await fetch(`http://127.0.0.1:${controllerPort}/status`, { headers: { 'X-API-Key': 'default-api-key' } })
      const { data } = z.object({ data: FleetStatusSchema }).parse(await answer.json())
      expect(shown(data.hits)).toEqual([
        { version: 2, completed: 2, failed: 0, success_ratio: 1, agents: 1 },
        { version: 1, completed: 0, failed: 2, success_ratio: 0, agents: 1 },
      ])
      expect(data.hits[1]?.by_error_class).toEqual({ connection_refused: 2 })
    },
    // The agent looks at its worker every 5 s, and where it has seen only a part, tells the rest half a minute later.
    { timeout: 60_000, interval: 50 },
  )
})

test('nothing is told while nothing happens', { timeout: 40_000 }, async () => {
  using folder = new TempFolder()
  await using controller = await TestController.open()
  const { port } = await controller.listen()
  const report = vi.spyOn(controller.deps.fleet, 'report')
  await using worker = await TestWorker.open()
  const { url } = await worker.listen()
  const stats = vi.spyOn(worker.deps.queue, 'counts')
  const settings = { apiKey: TEST_KEY, outcomeGapMs: 1, controllerUrl: `http://127.0.0.1:${port}`, workerUrl: url }
  await using _agent = new TestAgent({ dataDir: folder.path, settings })
  await controller.publish({ url: 'http://localhost:1/' })
  await vi.waitFor(() => expect(report.mock.calls.map(([, said]) => said).at(-1)).toEqual({ version: 1, state: 'applied' }), soon)
  const [asked, reported] = [stats.mock.calls.length, report.mock.calls.length]
  await vi.waitFor(() => expect(stats.mock.calls.length).toBeGreaterThan(asked + 10), soon)
  expect(report).toHaveBeenCalledTimes(reported)
})

describe('a worker that cannot tell', () => {
  test('a Go worker is asked once, and again when it has been away', async () => {
    using folder = new TempFolder()
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    const its = new GoWorker()
    const first = await serveGo(its)
    const settings = { apiKey: TEST_KEY, controllerUrl: `http://127.0.0.1:${port}`, workerUrl: first.url }
    await using agent = new TestAgent({ dataDir: folder.path, settings })
    await controller.publish({ n: 1 })
    await vi.waitFor(() => expect(first.requests('GET', '/config').length).toBeGreaterThan(5), soon)
    expect(first.requests('GET', '/hits/stats')).toHaveLength(1)
    await first[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(agent.forwarder.status.last_error).not.toBeNull(), soon)
    await using second = await serveGo(its, first.port)
    await vi.waitFor(() => expect(second.requests('GET', '/config').length).toBeGreaterThan(5), soon)
    expect(second.requests('GET', '/hits/stats').length).toBeLessThanOrEqual(2)
    expect(second.requests('GET', '/hits/stats').length).toBeGreaterThanOrEqual(1)
  })

  test.each([
    ['fails', () => ({ status: 500, body: '{}' })],
    ['says nonsense', () => ({ status: 200, body: JSON.stringify({ data: { outcomes: [{ version: -1 }] } }) })],
  ])('one that %s keeps nothing from being reported', async (_, answer) => {
    using folder = new TempFolder()
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    const report = vi.spyOn(controller.deps.fleet, 'report')
    const its = new GoWorker()
    await using server = await StubServer.open((request, response) => {
      if (request.path !== '/hits/stats') return its.handler(request, response)
      const { status, body } = answer()
      return void response.writeHead(status, { 'Content-Type': 'application/json' }).end(body)
    })
    const settings = { apiKey: TEST_KEY, controllerUrl: `http://127.0.0.1:${port}`, workerUrl: server.url, outcomeGapMs: 1 }
    await using agent = new TestAgent({ dataDir: folder.path, settings })
    await controller.publish({ n: 1 })
    await vi.waitFor(() => expect(server.requests('GET', '/hits/stats').length).toBeGreaterThan(3), soon)
    await vi.waitFor(() => expect(report.mock.calls.map(([, said]) => said).at(-1)).toEqual({ version: 1, state: 'applied' }), soon)
    expect(agent.forwarder.status).toMatchObject({ state: 'applied', last_error: null })
  })
})
