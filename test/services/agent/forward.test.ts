import type { DestinationStream } from 'pino'
import { expect, test, vi } from 'vitest'
import { createLogger } from '#lib/observe/logger.ts'
import { TestAgent } from '#test/_support/agent.ts'
import { GoController, GoWorker, serveGo, versionsGiven } from '#test/_support/go-system.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 8000, interval: 5 }
const quick = { overrides: { clock: quickClock } }

/** A Go controller with one version, which the agent polls every second. */
function withVersion(version: number): GoController {
  const go = new GoController()
  go.config = { id: `id-${version}`, version, data: { n: version }, poll_interval_seconds: 1 }
  return go
}

test('a worker that restarts empty gets its config again', async () => {
  using folder = new TempFolder()
  await using controller = await serveGo(withVersion(1))
  const worker = new GoWorker()
  await using workerServer = await serveGo(worker)
  await using _agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url } })
  await vi.waitFor(() => expect(worker.config?.version).toBe(1), soon)
  worker.config = undefined
  await vi.waitFor(() => expect(worker.config?.version).toBe(1), soon)
})

test('a worker that was away gets its config again, even where it holds one', async () => {
  using folder = new TempFolder()
  await using controller = await serveGo(withVersion(1))
  const worker = new GoWorker()
  const first = await serveGo(worker)
  const { port, url } = first
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: url } })
  await vi.waitFor(() => expect(worker.config?.version).toBe(1), soon)
  await first[Symbol.asyncDispose]()
  await vi.waitFor(() => expect(agent.forwarder.status.last_error).toContain('ECONNREFUSED'), soon)
  worker.config = { version: 99, data: {} }
  await using back = await serveGo(worker, port)
  await vi.waitFor(() => expect(worker.config?.version).toBe(1), soon)
  expect(versionsGiven(back)).toEqual([1])
})

test('what a script posted to the worker stays until the next version', async () => {
  using folder = new TempFolder()
  const go = withVersion(1)
  await using controller = await serveGo(go)
  const worker = new GoWorker()
  await using workerServer = await serveGo(worker)
  await using _agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url }, ...quick })
  await vi.waitFor(() => expect(worker.config?.version).toBe(1), soon)
  worker.config = { version: 99, data: { by: 'script' } }
  const looks = workerServer.requests('GET', '/config').length
  await vi.waitFor(() => expect(workerServer.requests('GET', '/config').length).toBeGreaterThan(looks + 3), soon)
  expect(worker.config).toMatchObject({ version: 99 })
  go.config = { id: 'id-2', version: 2, data: {}, poll_interval_seconds: 1 }
  await vi.waitFor(() => expect(worker.config?.version).toBe(2), soon)
})

test('a refused version is sent once, and the next one again', async () => {
  using folder = new TempFolder()
  const go = withVersion(1)
  await using controller = await serveGo(go)
  const worker = new GoWorker()
  worker.refusing = { status: 400, message: 'no such thing' }
  await using workerServer = await serveGo(worker)
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url }, ...quick })
  await vi.waitFor(() => expect(agent.forwarder.status.state).toBe('failed'), soon)
  expect(agent.forwarder.status.last_error).toContain('no such thing')
  const looks = workerServer.requests('GET', '/config').length
  await vi.waitFor(() => expect(workerServer.requests('GET', '/config').length).toBeGreaterThan(looks + 3), soon)
  expect(versionsGiven(workerServer)).toEqual([1])
  worker.refusing = undefined
  go.config = { id: 'id-2', version: 2, data: {}, poll_interval_seconds: 1 }
  await vi.waitFor(() => expect(agent.forwarder.status).toMatchObject({ state: 'applied', applied_version: 2 }), soon)
})

test('a worker that fails is tried again until it has the config; one log line for the outage', async () => {
  using folder = new TempFolder()
  const lines: string[] = []
  const destination: DestinationStream = { write: (line) => lines.push(line) }
  await using controller = await serveGo(withVersion(1))
  let failures = 2
  const worker = new GoWorker()
  await using workerServer = await StubServer.open((request, response) => {
    if (request.method === 'POST' && failures-- > 0) return sendJson(response, 500, { message: 'not now' })
    return worker.handler(request, response)
  })
  const logger = createLogger({ service: 'agent', level: 'info', format: 'json', destination })
  await using _agent = new TestAgent({
    dataDir: folder.path,
    settings: { controllerUrl: controller.url, workerUrl: workerServer.url },
    overrides: { logger, clock: quickClock },
  })
  await vi.waitFor(() => expect(worker.config?.version).toBe(1), soon)
  expect(versionsGiven(workerServer)).toEqual([1, 1, 1])
  expect(lines.filter((line) => line.includes('worker does not take the config'))).toHaveLength(1)
})

test('a worker that is ahead of a live controller is taken back once; a cache alone does not do that', async () => {
  using folder = new TempFolder()
  const go = withVersion(3)
  const ahead: StubServer = await StubServer.open((request, response) => {
    if (request.method === 'POST' && request.path.endsWith('if_newer=true')) return sendJson(response, 409, { message: 'version 9 was accepted before' })
    return sendJson(response, 200, { data: { version: 3, data: {} } })
  })
  await using _ahead = ahead
  {
    await using controller = await serveGo(go)
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: ahead.url }, ...quick })
    await vi.waitFor(() => expect(agent.forwarder.status.state).toBe('applied'), soon)
    expect(ahead.requests('POST', '/config').map(({ path }) => path)).toEqual(['/config?if_newer=true', '/config?if_newer=false'])
  }
  ahead.seen.length = 0
  // The controller is away: the cache may be old, so the worker keeps what it has.
  const away = await serveGo(go)
  const { port, url } = away
  await away[Symbol.asyncDispose]()
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: url, workerUrl: ahead.url }, ...quick })
  await vi.waitFor(() => expect(ahead.requests('GET', '/config').length).toBeGreaterThan(3), soon)
  expect(ahead.requests('POST', '/config').map(({ path }) => path)).toEqual(['/config?if_newer=true'])
  // It comes back and says that the cached one is the latest.
  await using _back = await serveGo(go, port)
  await vi.waitFor(() => expect(agent.forwarder.status.state).toBe('applied'), soon)
  expect(ahead.requests('POST', '/config').at(-1)?.path).toBe('/config?if_newer=false')
})

test('a worker that answers 409 whatever it is asked is tried again with backoff, not in a loop', async () => {
  using folder = new TempFolder()
  await using controller = await serveGo(withVersion(1))
  await using worker = await StubServer.open((_request, response) => sendJson(response, 409, { message: 'never' }))
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: worker.url } })
  await vi.waitFor(() => expect(agent.forwarder.status.next_attempt_at).not.toBeNull(), soon)
  expect(worker.requests('POST', '/config').map(({ path }) => path)).toEqual(['/config?if_newer=true', '/config?if_newer=false'])
})

test('going back is said once: what is handed over again later counts on from there', async () => {
  using folder = new TempFolder()
  await using controller = await serveGo(withVersion(3))
  const worker = new GoWorker()
  let ahead = true
  await using workerServer = await StubServer.open((request, response) => {
    if (ahead && request.path.endsWith('if_newer=true')) return sendJson(response, 409, { message: 'version 9 was accepted before' })
    ahead = false
    return worker.handler(request, response)
  })
  await using _agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url } })
  await vi.waitFor(() => expect(worker.config?.version).toBe(3), soon)
  worker.config = undefined
  await vi.waitFor(() => expect(worker.config?.version).toBe(3), soon)
  expect(workerServer.requests('POST', '/config').map(({ path }) => path)).toEqual(['/config?if_newer=true', '/config?if_newer=false', '/config?if_newer=true'])
})
