import type { ServerResponse } from 'node:http'
import { describe, expect, test, vi } from 'vitest'
import { TestAgent } from '#test/_support/agent.ts'
import { TestController } from '#test/_support/controller.ts'
import { GoWorker, serveGo, versionsGiven } from '#test/_support/go-system.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { type StubHandler, StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }
/** How long a long poll is held: long enough, by the quick clock, to be taken for one that is. */
const HOLD_MS = 100
const quick = { overrides: { clock: quickClock } }
const config = (version: number) => ({ id: `id-${version}`, version, data: { n: version }, poll_interval_seconds: 1 })
const event = (version: number) => `id: ${version}\nevent: config\ndata: ${JSON.stringify(config(version))}\n\n`

/** A controller that offers everything, and a path to it that does `stream` to its streams. */
function behind(stream: (response: ServerResponse) => void, latest = { version: 1 }): StubHandler {
  return (request, response) => {
    if (request.path === '/register') return sendJson(response, 201, { data: { agent_id: 'a', poll_interval_seconds: 1, capabilities: ['wait', 'stream'] } })
    if (request.path === '/config/stream') return stream(response)
    if (request.path.includes('wait=')) return void setTimeout(() => response.writeHead(304, { ETag: `"${latest.version}"` }).end(), HOLD_MS)
    return sendJson(response, 200, { data: config(latest.version) }, { ETag: `"${latest.version}"` })
  }
}
const begin = (response: ServerResponse) => void response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('retry: 1000\n\n')

test('publishes reach the worker by the stream, one after the other, in order', async () => {
  using folder = new TempFolder()
  await using controller = await TestController.open({ env: { API_KEY: 'default-api-key' } })
  const { port } = await controller.listen()
  const worker = new GoWorker()
  await using workerServer = await serveGo(worker)
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: `http://127.0.0.1:${port}`, workerUrl: workerServer.url } })
  await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'following', via: 'stream' }), soon)
  for (let version = 1; version <= 5; version++) {
    await controller.request('/config', { method: 'POST', body: { data: { n: version } }, key: 'default-api-key', headers: { Host: 'localhost' } })
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version, data: { n: version } }), soon)
  }
  expect(versionsGiven(workerServer)).toEqual([1, 2, 3, 4, 5])
  expect(agent.follower.status.via).toBe('stream')
})

test('a controller that stops says when to come back, and is not asked before', { timeout: 30_000 }, async () => {
  using folder = new TempFolder()
  const asked: number[] = []
  const handler = behind((response) => {
    begin(response)
    response.end('retry: 3000\n\n')
  })
  await using controller = await StubServer.open((request, response) => {
    if (request.path === '/register') asked.push(quickClock.monotonic())
    return handler(request, response)
  })
  await using _agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url }, ...quick })
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(1), soon)
  // An ordinary backoff would be 1.3 s at most.
  expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeGreaterThan(2900)
})

describe('a path that breaks streams is left for the next best way', () => {
  test.each<[string, (response: ServerResponse) => void]>([
    ['answers 502', (response) => void response.writeHead(502).end('<html>Bad Gateway</html>')],
    ['answers 429', (response) => sendJson(response, 429, { message: 'too many' })],
    ['closes them at once', (response) => void response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end()],
    ['breaks them off', (response) => void response.writeHead(200).write('retry: 1', () => response.destroy())],
    ['answers with a page', (response) => void response.writeHead(200).end('<html>Sign in</html>')],
    ['sends what is no config', (response) => void response.writeHead(200).write('event: config\ndata: {"version":"x"}\n\n')],
    ['sends without end', (response) => void response.writeHead(200).write(`data: ${'x'.repeat(3_000_000)}`)],
  ])('one that %s', { timeout: 30_000 }, async (_what, stream) => {
    using folder = new TempFolder()
    await using controller = await StubServer.open(behind(stream))
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, waitSeconds: 1 }, ...quick })
    await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'following', via: 'wait' }), soon)
    expect(controller.requests('GET', '/config/stream')).toHaveLength(3)
    expect(agent.follower.held?.version).toBe(1)
  })

  test('one that goes silent without closing is noticed, and what was published meanwhile is fetched', { timeout: 30_000 }, async () => {
    using folder = new TempFolder()
    const latest = { version: 1 }
    await using controller = await StubServer.open(behind(begin, latest))
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, streamSilenceMs: 200, waitSeconds: 1 }, ...quick })
    await vi.waitFor(() => expect(agent.follower.held?.version).toBe(1), soon)
    latest.version = 2
    await vi.waitFor(() => expect(agent.follower.held?.version).toBe(2), soon)
    await vi.waitFor(() => expect(agent.follower.status.via).toBe('wait'), soon)
  })

  test('and it climbs back', { timeout: 60_000 }, async () => {
    using folder = new TempFolder()
    let broken = true
    const handler = behind((response) => {
      if (broken) return void response.writeHead(502).end()
      begin(response)
      response.write(event(2))
    })
    await using controller = await StubServer.open(handler)
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, waitSeconds: 1 }, ...quick })
    await vi.waitFor(() => expect(agent.follower.status.via).toBe('wait'), soon)
    broken = false
    await vi.waitFor(() => expect(agent.follower.status.via).toBe('stream'), { timeout: 30_000, interval: 20 })
    await vi.waitFor(() => expect(agent.follower.held?.version).toBe(2), soon)
  })
})

test('two versions in one chunk, and one in many, are taken in order', async () => {
  using folder = new TempFolder()
  const worker = new GoWorker()
  await using workerServer = await serveGo(worker)
  await using controller = await StubServer.open(
    behind((response) => {
      begin(response)
      response.write(event(2) + event(3))
      const bytes = Buffer.from(event(4))
      for (const byte of bytes) response.write(Buffer.from([byte]))
    }),
  )
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url } })
  await vi.waitFor(() => expect(worker.config?.version).toBe(4), soon)
  expect(agent.follower.held?.version).toBe(4)
  const given = versionsGiven(workerServer)
  expect(given).toEqual([...given].sort((a, b) => a - b))
})
