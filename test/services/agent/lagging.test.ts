import type { ServerResponse } from 'node:http'
import type { DestinationStream } from 'pino'
import { describe, expect, test, vi } from 'vitest'
import { createLogger } from '#lib/observe/logger.ts'
import { TestAgent } from '#test/_support/agent.ts'
import { GoController, GoWorker, serveGo, versionsGiven } from '#test/_support/go-system.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { type StubHandler, StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }
const quick = { overrides: { clock: quickClock } }
const config = (version: number, id = `id-${version}`) => ({ id, version, data: { n: version }, poll_interval_seconds: 1 })
const send = (response: ServerResponse, version: number, id?: string) => sendJson(response, 200, { data: config(version, id) }, { ETag: `"${version}"` })

/** Something between an agent and its controller: what it offers, and what it says when it is asked for the controller's word. */
class Between {
  offered: { readonly version: number; readonly id?: string } = { version: 7 }
  word: 'unavailable' | 'unchanged' | { readonly version: number; readonly id?: string } = 'unavailable'
  readonly capabilities: readonly string[]

  constructor(...capabilities: readonly string[]) {
    this.capabilities = capabilities
  }

  readonly #streams: ServerResponse[] = []

  /** Offers another version, to whoever asks and on the streams that are open. */
  offer(version: number): void {
    this.offered = { version }
    for (const stream of this.#streams) this.#event(stream)
  }

  #event(stream: ServerResponse): void {
    stream.write(`event: config\ndata: ${JSON.stringify(config(this.offered.version, this.offered.id))}\n\n`)
  }

  readonly handler: StubHandler = (request, response) => {
    const { offered, word } = this
    if (request.path === '/register') return sendJson(response, 201, { data: { agent_id: 'a', poll_interval_seconds: 1, capabilities: this.capabilities } })
    if (request.path === '/config/stream') {
      this.#streams.push(response)
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      return this.#event(response)
    }
    if (request.headers['cache-control'] !== 'max-age=0') return send(response, offered.version, offered.id)
    if (word === 'unavailable') return sendJson(response, 503, { message: 'this relay cannot reach its controller' }, { 'Retry-After': '1' })
    if (word === 'unchanged') return void response.writeHead(304, { ETag: '"7"' }).end()
    return send(response, word.version, word.id)
  }
}

const confirmations = (server: StubServer) => server.requests('GET', '/config').filter(({ headers }) => headers['cache-control'] === 'max-age=0')

describe.each([
  ['by polling', []],
  ['by stream', ['stream']],
])('a lower version, %s', (_how, capabilities) => {
  test('from one that cannot ask the controller is not followed: few requests, one line; with the word it is', { timeout: 40_000 }, async () => {
    using folder = new TempFolder()
    const lines: string[] = []
    const destination: DestinationStream = { write: (line) => lines.push(line) }
    const logger = createLogger({ service: 'agent', level: 'warn', format: 'json', destination })
    const between = new Between(...capabilities)
    await using server = await StubServer.open(between.handler)
    await using workerServer = await serveGo(new GoWorker())
    const settings = { controllerUrl: server.url, workerUrl: workerServer.url }
    await using agent = new TestAgent({ dataDir: folder.path, settings, overrides: { logger, clock: quickClock } })
    await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(7), soon)
    lines.length = 0
    await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'following', via: capabilities[0] ?? 'poll' }), soon)
    between.offer(5)
    await vi.waitFor(() => expect(confirmations(server)).toHaveLength(3), soon)
    expect(agent.follower.held?.version).toBe(7)
    expect(agent.follower.status.last_error).toContain('offers version 5 where 7 is held, and that cannot be confirmed: answered 503')
    expect(versionsGiven(workerServer)).toEqual([7])
    expect(lines.filter((line) => line.includes('cannot be confirmed'))).toHaveLength(1)
    // One question for the word with each registration and fetch, and each of them after a backoff.
    expect(server.requests('GET', '/config').length).toBeLessThanOrEqual(12)
    between.word = { version: 5 }
    await vi.waitFor(() => expect(agent.follower.held?.version).toBe(5), soon)
    await vi.waitFor(() => expect(versionsGiven(workerServer)).toEqual([7, 5]), soon)
    expect(workerServer.requests('POST', '/config').at(-1)?.path).toBe('/config?if_newer=false')
    expect(lines.filter((line) => line.includes('the controller went back'))).toHaveLength(1)
  })

  test('that the controller does not confirm was a lag: it is neither followed nor an outage', async () => {
    using folder = new TempFolder()
    const between = new Between(...capabilities)
    between.word = 'unchanged'
    await using server = await StubServer.open(between.handler)
    await using workerServer = await serveGo(new GoWorker())
    await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: server.url, workerUrl: workerServer.url }, ...quick })
    await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(7), soon)
    await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'following', via: capabilities[0] ?? 'poll' }), soon)
    between.offer(5)
    await vi.waitFor(() => expect(confirmations(server).length).toBeGreaterThan(0), soon)
    expect(agent.follower.held?.version).toBe(7)
    await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'following', last_error: null }), soon)
    expect(versionsGiven(workerServer)).toEqual([7])
  })
})

test('another id at the same version is asked about too', async () => {
  using folder = new TempFolder()
  const between = new Between()
  await using server = await StubServer.open(between.handler)
  await using workerServer = await serveGo(new GoWorker())
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: server.url, workerUrl: workerServer.url }, ...quick })
  await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(7), soon)
  between.offered = { version: 7, id: 'another' }
  await vi.waitFor(() => expect(confirmations(server).length).toBeGreaterThan(0), soon)
  expect(agent.follower.held?.id).toBe('id-7')
  between.word = { version: 7, id: 'another' }
  await vi.waitFor(() => expect(agent.follower.held?.id).toBe('another'), soon)
})

test('what the word says counts, not what was offered before', async () => {
  using folder = new TempFolder()
  const between = new Between()
  between.word = { version: 8 }
  await using server = await StubServer.open(between.handler)
  await using workerServer = await serveGo(new GoWorker())
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: server.url, workerUrl: workerServer.url }, ...quick })
  await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(7), soon)
  between.offered = { version: 5 }
  await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(8), soon)
  expect(versionsGiven(workerServer)).toEqual([7, 8])
})

test('a Go controller that was restored, which knows nothing of the question, is followed', async () => {
  using folder = new TempFolder()
  const go = new GoController()
  go.config = { ...config(7), data: {} }
  await using controller = await serveGo(go)
  await using workerServer = await serveGo(new GoWorker())
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url }, ...quick })
  await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(7), soon)
  go.config = { ...config(3), data: {} }
  await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(3), soon)
})
