import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { TestAgent } from '#test/_support/agent.ts'
import { TestController } from '#test/_support/controller.ts'
import { GoController, GoWorker, serveGo, versionsGiven } from '#test/_support/go-system.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 8000, interval: 5 }
const quick = { overrides: { clock: quickClock } }

/** Our controller on a socket with the key that agents use by default. */
async function ourController() {
  const controller = await TestController.open({ env: { API_KEY: 'default-api-key' } })
  const { port } = await controller.listen()
  return { controller, url: `http://127.0.0.1:${port}` }
}

/** Publishes to a controller that has the default key. */
const publish = async (controller: TestController, data: Readonly<Record<string, unknown>>) => {
  const answer = await controller.request('/config', { method: 'POST', body: { data }, key: 'default-api-key', headers: { Host: 'localhost' } })
  expect(answer.status).toBe(201)
}

describe('following our controller', () => {
  test('a publish reaches the worker by long poll, one after the other, in order', async () => {
    using folder = new TempFolder()
    const { controller, url } = await ourController()
    await using _controller = controller
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: url, workerUrl: workerServer.url } })

    await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'following', via: 'stream' }), soon)
    for (let version = 1; version <= 5; version++) {
      await publish(controller, { n: version })
      await vi.waitFor(() => expect(worker.config).toMatchObject({ version, data: { n: version } }), soon)
    }
    expect(versionsGiven(workerServer)).toEqual([1, 2, 3, 4, 5])
    // The worker has it a moment before its answer has arrived.
    await vi.waitFor(() => expect(agent.forwarder.status).toMatchObject({ state: 'applied', applied_version: 5, last_error: null }), soon)
  })

  test('it registers as the same agent after a restart', async () => {
    using folder = new TempFolder()
    const { controller, url } = await ourController()
    await using _controller = controller
    const ids: (string | undefined)[] = []
    for (let i = 0; i < 2; i++) {
      await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: url, hostname: `renamed-${i}` } })
      await vi.waitFor(() => expect(agent.follower.agentId).toBeDefined(), soon)
      ids.push(agent.follower.agentId)
    }
    expect(ids[0]).toBe(ids[1])
  })

  test('a controller that was restored from a backup is followed back, and from there on', async () => {
    using folder = new TempFolder()
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    {
      const { controller, url } = await ourController()
      await using _controller = controller
      await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: url, workerUrl: workerServer.url } })
      for (let n = 1; n <= 3; n++) await publish(controller, { n })
      await vi.waitFor(() => expect(worker.config).toMatchObject({ version: 3 }), soon)
      expect(agent.follower.held?.version).toBe(3)
    }
    // Another controller whose history is shorter, as after a restore.
    const { controller, url } = await ourController()
    await using _controller = controller
    await publish(controller, { n: 'restored' })
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: url, workerUrl: workerServer.url } })
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version: 1, data: { n: 'restored' } }), soon)
    const back = workerServer.requests('POST', '/config').at(-1)
    expect(back?.path).toBe('/config?if_newer=false')
    await publish(controller, { n: 'after' })
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version: 2, data: { n: 'after' } }), soon)
    expect(workerServer.requests('POST', '/config').at(-1)?.path).toBe('/config?if_newer=true')
    expect(agent.follower.held?.version).toBe(2)
  })

  test('a long poll that is not held makes no hot loop', async () => {
    using folder = new TempFolder()
    await using controller = await StubServer.open((request, response) => {
      if (request.path === '/register') {
        return sendJson(response, 201, { data: { agent_id: 'a', poll_interval_seconds: 30, capabilities: ['wait'] } })
      }
      return void response.writeHead(304, { ETag: '"1"' }).end()
    })
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url } })
    await vi.waitFor(() => expect(agent.follower.status.via).toBe('poll'), soon)
    expect(controller.requests('GET', '/config').map(({ path }) => path)).toEqual(['/config', '/config?wait=25'])
  })

  test('a proxy that strips ETags makes no hot loop: a 200 with what is held is no news', async () => {
    using folder = new TempFolder()
    const config = { id: 'one', version: 1, data: {}, poll_interval_seconds: 30 }
    await using controller = await StubServer.open((request, response) => {
      if (request.path === '/register') {
        return sendJson(response, 201, { data: { agent_id: 'a', poll_interval_seconds: 30, capabilities: ['wait'] } })
      }
      return sendJson(response, 200, { data: config })
    })
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url } })
    await vi.waitFor(() => expect(agent.follower.status.via).toBe('poll'), soon)
    expect(controller.requests('GET', '/config')).toHaveLength(2)
  })

  test('503 with Retry-After is obeyed', async () => {
    using folder = new TempFolder()
    await using controller = await StubServer.open((_request, response) => sendJson(response, 503, { message: 'busy' }, { 'Retry-After': '120' }))
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url } })
    await vi.waitFor(() => expect(agent.follower.status.state).toBe('retrying'), soon)
    const wait = Date.parse(agent.follower.status.next_attempt_at ?? '') - Date.now()
    expect(wait).toBeGreaterThan(110_000)
    expect(wait).toBeLessThan(160_000)
    expect(agent.follower.status.last_error).toContain('answered 503: busy')
  })
})

describe('following a Go controller', () => {
  test('it polls at the interval, which changes with the config, and echoes the ETag byte for byte', async () => {
    using folder = new TempFolder()
    const go = new GoController()
    go.config = { id: 'one', version: 1, data: { url: 'http://x/' }, poll_interval_seconds: 1 }
    await using controller = await serveGo(go)
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url }, ...quick })
    await vi.waitFor(() => expect(worker.config?.version).toBe(1), soon)
    await vi.waitFor(() => expect(agent.follower.status.via).toBe('poll'), soon)
    go.config = { ...go.config, id: 'two', version: 2, poll_interval_seconds: 77 }
    await vi.waitFor(() => expect(worker.config?.version).toBe(2), soon)
    expect(agent.follower.pollIntervalSeconds).toBe(77)
    const polls = controller.requests('GET', '/config')
    expect(polls[0]?.headers['if-none-match']).toBeUndefined()
    expect(polls[1]?.headers['if-none-match']).toBe('1')
    expect(polls.every(({ path }) => path === '/config')).toBe(true)
  })
})

describe('without the controller', () => {
  test('the worker is served from the cache before any controller is reached', async () => {
    using folder = new TempFolder()
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    let port: number
    {
      const { controller, url } = await ourController()
      await using _controller = controller
      port = Number(new URL(url).port)
      await publish(controller, { n: 1 })
      await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: url, workerUrl: workerServer.url } })
      await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(1), soon)
    }
    worker.config = undefined
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: `http://127.0.0.1:${port}`, workerUrl: workerServer.url } })
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version: 1, data: { n: 1 } }), soon)
    await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'retrying' }), soon)
    expect(agent.follower.status.last_error).toContain('ECONNREFUSED')
  })

  test('an outage is one, however often it is tried to end it: since says when it began', async () => {
    using folder = new TempFolder()
    const go = new GoController()
    go.failing = { status: 500 }
    await using controller = await serveGo(go)
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, pollIntervalSeconds: 1 }, ...quick })
    await vi.waitFor(() => expect(agent.follower.status.state).toBe('retrying'), soon)
    const { since } = agent.follower.status
    await vi.waitFor(() => expect(controller.requests('POST', '/register').length).toBeGreaterThan(2), soon)
    expect(agent.follower.status.since).toBe(since)
    go.failing = undefined
    await vi.waitFor(() => expect(agent.follower.status.state).toBe('following'), soon)
    expect(agent.follower.status.since > since).toBe(true)
  })

  test('a controller that comes back is followed again, by the version that was published meanwhile', async () => {
    using folder = new TempFolder()
    const go = new GoController()
    go.config = { id: 'one', version: 1, data: {}, poll_interval_seconds: 1 }
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    const first = await serveGo(go)
    const { port, url } = first
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: url, workerUrl: workerServer.url }, ...quick })
    await vi.waitFor(() => expect(worker.config?.version).toBe(1), soon)
    await first[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(agent.follower.status.state).toBe('retrying'), soon)
    go.config = { id: 'two', version: 2, data: {}, poll_interval_seconds: 1 }
    await using _back = await serveGo(go, port)
    await vi.waitFor(() => expect(worker.config?.version).toBe(2), soon)
    expect(agent.follower.status.state).toBe('following')
  })

  test.each([
    ['half a file', (text: string) => text.slice(0, text.length / 2)],
    ['a flipped byte', (text: string) => text.replace('"n":1', '"n":7')],
    ['nothing', () => ''],
    ['something else', () => '<html>'],
  ])('a cache that holds %s is set aside, and the config fetched again', async (_name, damage) => {
    using folder = new TempFolder()
    const { controller, url } = await ourController()
    await using _controller = controller
    await publish(controller, { n: 1 })
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    const settings = { controllerUrl: url, workerUrl: workerServer.url }
    {
      await using agent = new TestAgent({ dataDir: folder.path, settings })
      await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(1), soon)
    }
    const cache = folder.file('agent-cache.json')
    writeFileSync(cache, damage(readFileSync(cache, 'utf8')))
    worker.config = undefined
    await using agent = new TestAgent({ dataDir: folder.path, settings })
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version: 1, data: { n: 1 } }), soon)
    expect(agent.follower.held?.version).toBe(1)
  })
})
