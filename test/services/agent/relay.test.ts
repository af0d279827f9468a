import { connect } from 'node:net'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { ConfigSchema } from '#lib/contract/config.ts'
import { HealthSchema } from '#lib/contract/health.ts'
import { AgentsPageSchema } from '#lib/contract/inventory.ts'
import { agentIdOf } from '#lib/distribution/agent-id.ts'
import { type Clock, systemClock } from '#lib/runtime/clock.ts'
import { TestAgent } from '#test/_support/agent.ts'
import { dataOf, errorOf, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { readEvents } from '#test/_support/events.ts'
import { Gate } from '#test/_support/gate.ts'
import { GoController, GoWorker, serveGo, versionsGiven } from '#test/_support/go-system.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { requestBytes } from '#test/_support/raw-http.ts'
import { TestRelay } from '#test/_support/relay.ts'
import { type StubHandler, StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }
const quick = { clock: quickClock }
const goAgent = { hostname: 'go-host', ip_address: '10.0.0.9', port: 8081 }

/** Our controller on a socket, behind a gate that a test can close. */
async function gatedController() {
  const controller = await TestController.open()
  const { port } = await controller.listen()
  const gate = await Gate.open(port)
  return { controller, port, gate }
}

/** Waits until a relay follows and holds a version. */
const holds = (relay: TestRelay, version: number | null) =>
  vi.waitFor(async () => expect(await relay.status()).toMatchObject({ held_version: version, controller: { state: 'following' } }), soon)

describe('a chain', () => {
  test('a publish passes two relays to the worker, reports come back, and everybody knows the path', { timeout: 30_000 }, async () => {
    using folder = new TempFolder()
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    const batch = vi.spyOn(controller.deps.fleet, 'batch')
    await using upper = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}`, ...quick })
    await holds(upper, null)
    await using lower = await TestRelay.open({ controllerUrl: upper.url, ...quick })
    await holds(lower, null)
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    const settings = { controllerUrl: lower.url, workerUrl: workerServer.url, apiKey: TEST_KEY }
    await using agent = new TestAgent({ dataDir: folder.path, settings })
    await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'following', via: 'stream' }), soon)
    const ids = [(await lower.status()).agent_id, (await upper.status()).agent_id]
    expect(agent.follower.registration?.relayPath).toEqual(ids)

    for (const version of [1, 2, 3]) {
      await controller.publish({ n: version })
      await vi.waitFor(() => expect(worker.config).toMatchObject({ version, data: { n: version } }), soon)
    }
    expect(versionsGiven(workerServer)).toEqual([1, 2, 3])
    const told = () => batch.mock.calls.flatMap(([, { agents }]) => agents).filter(({ agent_id }) => agent_id === agent.follower.agentId)
    await vi.waitFor(() => expect(told().at(-1)).toMatchObject({ report: { version: 3, state: 'applied' } }), soon)
    expect(told().at(-1)).toMatchObject({ held_version: 3, via: 'stream', connected: true, relay_id: ids[0] })
    expect(told().find(({ registration }) => registration)?.registration).toMatchObject({ hostname: 'agent-01' })
    // Its sender is the relay that follows the controller, and the sessions are those of both.
    const [from, { sessions }] = batch.mock.calls.at(-1) ?? ['', {}]
    expect(from).toBe(ids[1])
    expect(Object.keys(sessions ?? {}).sort()).toEqual([...ids].sort())
    // And so the inventory has it, beside the relays themselves.
    const inventory = async () => (await dataOf(await controller.request('/agents'), 200, AgentsPageSchema)).agents
    await vi.waitFor(async () => {
      const its = (await inventory()).find(({ agent_id }) => agent_id === agent.follower.agentId)
      expect(its).toMatchObject({ online: true, via: 'stream', relay_id: ids[0], held_version: 3, applied_version: 3, state: 'applied' })
    }, soon)
    const relays = (await inventory())
      .filter(({ agent_id }) => ids.includes(agent_id))
      .map(({ agent_id, online, relay_id }) => ({ agent_id, online, relay_id }))
    expect(relays).toEqual([
      { agent_id: ids[1], online: true, relay_id: undefined },
      { agent_id: ids[0], online: true, relay_id: ids[1] },
    ])
  })

  test('the registration of a relay further down says whom it follows', { timeout: 30_000 }, async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    await using relay = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}`, ...quick })
    await holds(relay, null)
    const batch = vi.spyOn(controller.deps.fleet, 'batch')
    for (const hostname of ['low', 'low-middle', 'low-middle-upper', 'agent-middle']) {
      const body = { ...goAgent, hostname }
      // A relay begins with itself; the registration of another agent begins with the relay that it follows.
      const path = hostname
        .replace('low', agentIdOf(body))
        .replace('agent-', '')
        .replaceAll(/-(?=middle|upper)/g, ',')
      await dataOf(await relay.fetch('/register', { body, headers: { 'X-Relay-Path': path } }), 201, RegisterResponseSchema)
    }
    const told = () => batch.mock.calls.flatMap(([, { agents }]) => agents.map(({ registration, relay_id }) => [registration?.hostname, relay_id]))
    await vi.waitFor(() => expect(new Map(told().map(([hostname, relayId]) => [hostname, relayId])).size).toBe(4), soon)
    expect(told()).toEqual(
      expect.arrayContaining([
        ['low', undefined],
        ['low-middle', 'middle'],
        ['low-middle-upper', 'middle'],
        ['agent-middle', 'middle'],
      ]),
    )
  })

  test('a controller that was restored is followed down the chain; one that is cut off is waited out', { timeout: 60_000 }, async () => {
    using folder = new TempFolder()
    const { controller, gate } = await gatedController()
    await using _controller = controller
    await using _gate = gate
    for (const n of [1, 2, 3]) await controller.publish({ n })
    await using upper = await TestRelay.open({ controllerUrl: gate.url, ...quick })
    await holds(upper, 3)
    await using lower = await TestRelay.open({ controllerUrl: upper.url, ...quick })
    await holds(lower, 3)
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    await using agent = new TestAgent({
      dataDir: folder.path,
      settings: { controllerUrl: lower.url, workerUrl: workerServer.url, apiKey: TEST_KEY },
      overrides: quick,
    })
    await vi.waitFor(() => expect(worker.config?.version).toBe(3), soon)
    await using restored = await TestController.open()
    await restored.publish({ n: 'restored' })
    gate.leadTo((await restored.listen()).port)
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version: 1, data: { n: 'restored' } }), { timeout: 40_000, interval: 10 })
    expect(workerServer.requests('POST', '/config').at(-1)?.path).toBe('/config?if_newer=false')
    await restored.publish({ n: 'after' })
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version: 2, data: { n: 'after' } }), soon)
    expect(agent.follower.held?.version).toBe(2)
  })

  test('an agent that comes to a relay which lags and is cut off keeps what it has, until the relay is back', { timeout: 60_000 }, async () => {
    using folder = new TempFolder()
    const { controller, port, gate } = await gatedController()
    await using _controller = controller
    await using _gate = gate
    await controller.publish({ n: 1 })
    await using relay = await TestRelay.open({ controllerUrl: gate.url, ...quick })
    await holds(relay, 1)
    gate.cut()
    await controller.publish({ n: 2 })
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    const settings = { workerUrl: workerServer.url, apiKey: TEST_KEY }
    {
      await using direct = new TestAgent({ dataDir: folder.path, settings: { ...settings, controllerUrl: `http://127.0.0.1:${port}` } })
      await vi.waitFor(() => expect(direct.forwarder.status.applied_version).toBe(2), soon)
    }
    await using agent = new TestAgent({ dataDir: folder.path, settings: { ...settings, controllerUrl: relay.url }, overrides: quick })
    await vi.waitFor(() => expect(agent.follower.status.last_error).toContain('offers version 1 where 2 is held'), soon)
    expect(agent.follower.status.last_error).toContain('this relay cannot reach its controller')
    expect(agent.follower.held?.version).toBe(2)
    gate.leadTo(port)
    await vi.waitFor(() => expect(agent.follower.status.state).toBe('following'), { timeout: 40_000, interval: 10 })
    expect(versionsGiven(workerServer)).not.toContain(1)
  })
})

describe('the question for the controller’s word', () => {
  /** A controller whose stream says nothing, however its config changes: what follows it lags. */
  class SilentController {
    config = { id: 'seven', version: 7, data: {}, poll_interval_seconds: 30 }
    /** Answers registrations with it while it is set. */
    refusing: number | undefined
    readonly questions: number[] = []
    readonly #clock: Clock

    /** @param clock by which it keeps when it was asked */
    constructor(clock: Clock = systemClock) {
      this.#clock = clock
    }

    readonly handler: StubHandler = (request, response) => {
      if (request.path === '/register' && this.refusing !== undefined) return sendJson(response, this.refusing, { message: 'no' })
      if (request.path === '/register') return sendJson(response, 201, { data: { agent_id: 'r', poll_interval_seconds: 30, capabilities: ['stream'] } })
      if (request.path === '/config/stream') return void response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(':\n\n')
      if (request.headers['cache-control'] === 'max-age=0') this.questions.push(this.#clock.monotonic())
      return sendJson(response, 200, { data: this.config }, { ETag: `"${this.config.version}"` })
    }
  }
  const word = { headers: { 'Cache-Control': 'max-age=0' } }

  test('is passed on, and its answer adopted, higher or lower; many share one, and they are a second apart', { timeout: 30_000 }, async () => {
    const silent = new SilentController(quickClock)
    await using server = await StubServer.open(silent.handler)
    await using relay = await TestRelay.open({ controllerUrl: server.url, ...quick })
    await holds(relay, 7)
    for (const [version, id] of [
      [8, 'eight'],
      [3, 'three'],
      [3, 'another'],
    ] as const) {
      silent.config = { ...silent.config, version, id }
      expect((await dataOf(await relay.fetch('/config', word), 200, ConfigSchema)).id).toBe(id)
      expect((await dataOf(await relay.fetch('/config'), 200, ConfigSchema)).id).toBe(id)
    }
    const [asked, began] = [silent.questions.length, quickClock.monotonic()]
    await Promise.all(Array.from({ length: 50 }, async () => expect((await relay.fetch('/config', word)).status).toBe(200)))
    // Those that came while one was under way share the next: it began after they had asked. A slow machine lets some come later.
    expect(silent.questions.length - asked).toBeLessThanOrEqual(2 + Math.floor((quickClock.monotonic() - began) / 1000))
    for (const [index, at] of silent.questions.entries()) if (index > 0) expect(at - (silent.questions[index - 1] ?? 0)).toBeGreaterThan(980)
  })

  test('is not asked for those who only say that they do not want what a cache holds, as fetch does by itself', async () => {
    const silent = new SilentController()
    await using server = await StubServer.open(silent.handler)
    await using relay = await TestRelay.open({ controllerUrl: server.url })
    await holds(relay, 7)
    expect((await relay.fetch('/config', { headers: { 'If-None-Match': '"7"', 'Cache-Control': 'no-cache' } })).status).toBe(304)
    expect((await relay.fetch('/config', { headers: { 'If-None-Match': '"7"' } })).status).toBe(304)
    expect(silent.questions).toEqual([])
  })

  test('is refused at once by a relay that is cut off, also where it is refused for a loop', async () => {
    using folder = new TempFolder()
    const silent = new SilentController()
    await using server = await StubServer.open(silent.handler)
    {
      await using relay = await TestRelay.open({ controllerUrl: server.url, dataDir: folder.path })
      await holds(relay, 7)
    }
    silent.refusing = 409
    await using relay = await TestRelay.open({ controllerUrl: server.url, dataDir: folder.path })
    await vi.waitFor(async () => expect((await relay.status()).controller.state).toBe('retrying'), soon)
    await errorOf(await relay.fetch('/config', word), 503, 'UPSTREAM_UNAVAILABLE')
    expect(silent.questions).toEqual([])
  })
})

describe('a Go agent below a relay', () => {
  test('registers, polls with the bare version, and gets what is new, of our controller and of a Go one alike', async () => {
    const go = new GoController()
    go.config = { id: 'one', version: 1, data: { url: 'http://x/' }, poll_interval_seconds: 1 }
    await using server = await serveGo(go)
    await using relay = await TestRelay.open({ controllerUrl: server.url, env: { API_KEY: 'default-api-key' }, ...quick })
    const asGo = { key: 'default-api-key' }
    await vi.waitFor(async () => expect((await relay.fetch('/config', asGo)).status).toBe(200), soon)
    const registered = await dataOf(await relay.fetch('/register', { ...asGo, body: goAgent }), 201, RegisterResponseSchema)
    expect(registered).toMatchObject({ status: 'active', poll_url: '/config', poll_interval_seconds: 1 })
    const first = await relay.fetch('/config', { ...asGo, headers: { 'If-None-Match': '0' } })
    expect(first.headers.get('ETag')).toBe('"1"')
    expect(await dataOf(first, 200, ConfigSchema)).toEqual(go.config)
    expect((await relay.fetch('/config', { ...asGo, headers: { 'If-None-Match': '1' } })).status).toBe(304)
    go.config = { ...go.config, id: 'two', version: 2 }
    await vi.waitFor(async () => expect((await relay.fetch('/config', { ...asGo, headers: { 'If-None-Match': '1' } })).status).toBe(200), soon)
    // The Go controller takes no batches: it is told of the agent as it understands.
    await vi.waitFor(() => expect(server.requests('POST', '/register').map(({ body }) => JSON.parse(body).hostname)).toContain('go-host'), soon)
    expect(server.seen.filter(({ path }) => path.startsWith('/agents'))).toEqual([])
  })
})

describe('a loop is refused', () => {
  /** What a relay says of a loop, once it has found it. */
  const refused = async (relay: TestRelay) => {
    await vi.waitFor(async () => expect((await relay.status()).controller.last_error).toContain('answered 409: Cannot follow this relay'), soon)
    const health = await dataOf(await relay.fetch('/health', { key: null }), 200, HealthSchema)
    expect(health).toMatchObject({ status: 'degraded', parts: { relay: { cut_off: true } } })
    expect(health.warnings.join()).toContain('Cannot follow this relay')
    const [trying] = z.array(z.string()).parse([(await relay.status()).controller.state])
    expect(['retrying', 'registering']).toContain(trying)
  }
  /** Relays each of which follows the next, the last one the first. */
  async function ring(size: number, env: Readonly<Record<string, string>> = {}) {
    const gate = await Gate.open()
    const relays: TestRelay[] = []
    for (let n = 0; n < size; n++) relays.push(await TestRelay.open({ controllerUrl: relays.at(-1)?.url ?? gate.url, env }))
    gate.leadTo(relays.at(-1)?.port)
    return { relays, gate }
  }

  test.each([1, 2, 3])('of %i', { timeout: 60_000 }, async (size) => {
    const { relays, gate } = await ring(size)
    await using _gate = gate
    try {
      // At least the one that closes the ring is refused; none of them takes a config from itself.
      const [closing] = relays
      if (closing) await refused(closing)
    } finally {
      await Promise.all(relays.map((relay) => relay[Symbol.asyncDispose]()))
    }
  })

  test('a path that names the relay, or too many, is answered with 409; another one is passed on', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    await using relay = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}` })
    await holds(relay, null)
    const register = vi.spyOn(controller.deps.fleet, 'register')
    const ownId = (await relay.status()).agent_id ?? ''
    const by = (path: string) => relay.fetch('/register', { body: goAgent, headers: { 'X-Relay-Path': path } })
    await errorOf(await by(`a, ${ownId}`), 409, 'RELAY_LOOP')
    await errorOf(await by(Array.from({ length: 17 }, (_, n) => `relay-${n}`).join()), 409, 'RELAY_LOOP')
    expect(register).not.toHaveBeenCalled()
    await dataOf(await by('a'), 201, RegisterResponseSchema)
    expect(register.mock.calls.map(([, request, path]) => [request, path])).toEqual([[goAgent, ['a', ownId]]])
    await errorOf(await by(Array.from({ length: 16 }, (_, n) => `relay-${n}`).join()), 409, 'RELAY_LOOP')
  })
})

describe('without its controller', () => {
  test('it serves from its cache, through a restart of its own, to keys that it knew', { timeout: 60_000 }, async () => {
    using folder = new TempFolder()
    const { controller, gate } = await gatedController()
    await using _controller = controller
    await using _gate = gate
    const config = await controller.publish({ n: 1 })
    {
      await using relay = await TestRelay.open({ controllerUrl: gate.url, dataDir: folder.path })
      await holds(relay, 1)
      expect(await dataOf(await relay.fetch('/config/1'), 200, ConfigSchema)).toEqual(config)
    }
    gate.cut()
    // With another key of its own: it knows the one of before from its followers' side only.
    await using relay = await TestRelay.open({ controllerUrl: gate.url, dataDir: folder.path })
    const served = await relay.fetch('/config')
    expect(served.headers.get('ETag')).toBe('"1"')
    expect(await dataOf(served, 200, ConfigSchema)).toEqual(config)
    expect(await dataOf(await relay.fetch('/register', { body: goAgent }), 201, RegisterResponseSchema)).toMatchObject({
      capabilities: ['wait', 'stream', 'report'],
    })
    const leave = new AbortController()
    for await (const { event, id } of readEvents(await relay.fetch('/config/stream', { signal: leave.signal }))) {
      if (event !== 'config') continue
      expect(id).toBe('1')
      break
    }
    leave.abort()
    expect(await dataOf(await relay.fetch('/config/1'), 200, ConfigSchema)).toEqual(config)
    const refusal = await relay.fetch('/config/2')
    expect(refusal.headers.get('Retry-After')).toBe('5')
    await errorOf(refusal, 503, 'UPSTREAM_UNAVAILABLE')
    await errorOf(await relay.fetch('/config', { headers: { 'Cache-Control': 'max-age=0' } }), 503, 'UPSTREAM_UNAVAILABLE')
    await errorOf(await relay.fetch('/config', { key: 'never seen' }), 503, 'UPSTREAM_UNAVAILABLE')
    expect((await relay.status()).relay).toMatchObject({ enabled: true, followers: 1, cut_off: true, unsent: 1 })
  })

  test('before its first config it is like a controller without one', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    await using relay = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}` })
    await holds(relay, null)
    await errorOf(await relay.fetch('/config'), 404, 'NOT_FOUND')
    await errorOf(await relay.fetch('/config', { headers: { 'Cache-Control': 'max-age=0' } }), 404, 'NOT_FOUND')
    const held = relay.fetch('/config?wait=20')
    await vi.waitFor(async () => expect((await relay.status()).relay?.waiting).toBe(1), soon)
    const config = await controller.publish({ n: 1 })
    expect(await dataOf(await held, 200, ConfigSchema)).toEqual(config)
  })

  test('when it stops it tells its followers when to come back', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    await controller.publish({ n: 1 })
    const relay = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}` })
    await holds(relay, 1)
    const poll = relay.fetch('/config?wait=60', { headers: { 'If-None-Match': '"1"' } })
    await vi.waitFor(async () => expect((await relay.status()).relay?.waiting).toBe(1), soon)
    await relay[Symbol.asyncDispose]()
    const answer = await poll
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThanOrEqual(1)
    await errorOf(answer, 503, 'NOT_READY')
  })
})

test('versions: the one held from memory, others from the controller, and what is none as there', async () => {
  await using controller = await TestController.open()
  const { port } = await controller.listen()
  const first = await controller.publish({ n: 1 })
  await controller.publish({ n: 2 })
  await using relay = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}` })
  await holds(relay, 2)
  const asked = vi.spyOn(controller.deps.store, 'byVersion')
  expect((await dataOf(await relay.fetch('/config/2'), 200, ConfigSchema)).data).toEqual({ n: 2 })
  expect(asked).not.toHaveBeenCalled()
  expect(await dataOf(await relay.fetch('/config/1'), 200, ConfigSchema)).toEqual(first)
  await errorOf(await relay.fetch('/config/9'), 404, 'NOT_FOUND')
  await errorOf(await relay.fetch('/config/x'), 400, 'INVALID_VERSION')
})

test('a follower that does not read holds up neither the relay nor the others', { timeout: 40_000 }, async () => {
  using folder = new TempFolder()
  await using controller = await TestController.open()
  const { port } = await controller.listen()
  const worker = new GoWorker()
  await using workerServer = await serveGo(worker)
  await using relay = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}`, workerUrl: workerServer.url })
  await holds(relay, null)
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: relay.url, apiKey: TEST_KEY } })
  await vi.waitFor(() => expect(agent.follower.status.state).toBe('following'), soon)
  const stuck = Array.from({ length: 20 }, () => {
    const socket = connect({ port: relay.port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.pause()
    socket.write(requestBytes('GET', '/config/stream', { headers: { 'X-API-Key': TEST_KEY } }))
    return socket
  })
  try {
    await vi.waitFor(async () => expect((await relay.status()).relay?.streams).toBe(21), soon)
    // Each far larger than what sockets buffer: those who do not read are cut off on the way.
    for (let version = 1; version <= 12; version++) {
      await controller.publish({ n: version, filling: 'x'.repeat(900_000) })
      await vi.waitFor(() => expect([worker.config?.version, agent.follower.held?.version]).toEqual([version, version]), soon)
    }
    await vi.waitFor(async () => expect((await relay.status()).relay?.streams).toBe(1), soon)
  } finally {
    for (const socket of stuck) socket.destroy()
  }
})
