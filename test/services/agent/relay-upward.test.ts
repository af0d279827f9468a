import { describe, expect, test, vi } from 'vitest'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { type Batch, type BatchAccepted, BatchSchema, MAX_BATCH_AGENTS } from '#lib/contract/fleet.ts'
import { agentIdOf } from '#lib/distribution/agent-id.ts'
import { type Clock, systemClock } from '#lib/runtime/clock.ts'
import { dataOf, TEST_KEY } from '#test/_support/controller.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { TestRelay } from '#test/_support/relay.ts'
import { type StubHandler, StubServer, sendJson } from '#test/_support/stub-server.ts'
import { startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 10 }

/** A controller that takes batches, and keeps them with the time at which they came. */
class BatchController {
  readonly batches: { readonly at: number; readonly batch: Batch }[] = []
  /** What the next batches are answered with, one after the other. */
  readonly answers: { readonly status: number; readonly headers?: Readonly<Record<string, string>> }[] = []
  /** Refuses every batch with such an agent in it. */
  poison: string | undefined
  /** Which agents it knows; undefined: all. */
  known: Set<string> | undefined
  intervalSeconds = 30
  /** An agent that it does not know whatever is said of it. */
  never: string | undefined
  /** Ends the streams that are open. */
  readonly breaks: (() => void)[] = []
  readonly #clock: Clock

  /** @param clock by which it keeps the times */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock
  }

  readonly handler: StubHandler = (request, response) => {
    if (request.path === '/register') return sendJson(response, 201, { data: { agent_id: 'r', poll_interval_seconds: 30, capabilities: ['stream', 'report'] } })
    if (request.path === '/config/stream') {
      this.breaks.push(() => response.destroy())
      return void response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(':\n\n')
    }
    if (request.path === '/agents/reports') return this.#take(BatchSchema.parse(JSON.parse(request.body)), response)
    if (request.method === 'POST') return sendJson(response, 200, { data: { accepted: true } })
    return sendJson(response, 200, { data: { id: 'one', version: 1, data: {}, poll_interval_seconds: this.intervalSeconds } }, { ETag: '"1"' })
  }

  #take(batch: Batch, response: Parameters<StubHandler>[1]): void {
    this.batches.push({ at: this.#clock.monotonic(), batch })
    const { status, headers } = this.answers.shift() ?? { status: 200 }
    if (status !== 200) sendJson(response, status, { message: 'as the test says' }, headers)
    else if (batch.agents.some(({ agent_id }) => agent_id === this.poison)) sendJson(response, 400, { message: 'something is wrong' })
    else sendJson(response, 200, { data: this.#accept(batch) })
  }

  #accept(batch: Batch): BatchAccepted {
    for (const { agent_id, registration } of batch.agents) if (registration) this.known?.add(agent_id)
    const unknown = batch.agents.flatMap(({ agent_id }) => (agent_id === this.never || this.known?.has(agent_id) === false ? [agent_id] : []))
    return { accepted: batch.agents.length - unknown.length, unknown }
  }

  /** All that was said of the agents but the relay's own, in order. */
  get told() {
    return this.batches.flatMap(({ batch }) => batch.agents)
  }
}

async function open(controller = new BatchController(), clock?: Clock) {
  const server = await StubServer.open(controller.handler)
  const relay = await TestRelay.open({ controllerUrl: server.url, ...(clock ? { clock } : {}) })
  await vi.waitFor(async () => expect(await relay.status()).toMatchObject({ held_version: 1, controller: { state: 'following' } }), soon)
  return { controller, server, relay }
}

const follower = (n: number) => ({ hostname: `host-${n}`, ip_address: '10.0.0.1', port: 1 + n })
const idOf = (n: number) => agentIdOf(follower(n))
const register = (relay: TestRelay, n: number) => relay.fetch('/register', { body: follower(n) })
const report = (relay: TestRelay, n: number, state: object) => relay.fetch(`/agents/${idOf(n)}/report`, { body: state })
/** Resolves when all was told. */
const quiet = (relay: TestRelay) => vi.waitFor(async () => expect((await relay.status()).relay?.unsent).toBe(0), soon)

test('two thousand registrations and reports go up in a few batches, one a second at most, each agent in its newest state', { timeout: 60_000 }, async () => {
  const { controller, server, relay } = await open()
  await using _server = server
  await using _relay = relay
  const all = Array.from({ length: 2000 }, (_, n) => n)
  for (const state of ['applying', 'applied']) {
    for (let from = 0; from < all.length; from += 100) {
      await Promise.all(
        all.slice(from, from + 100).map(async (n) => {
          if (state === 'applying') expect((await register(relay, n)).status).toBe(201)
          const answer = await report(relay, n, { version: 1, state })
          expect(answer.status).toBe(200)
          await answer.text()
        }),
      )
    }
  }
  await quiet(relay)
  const newest = new Map(controller.told.map((agent) => [agent.agent_id, agent]))
  expect(newest.size).toBe(2000)
  for (const n of all) expect(newest.get(idOf(n))).toMatchObject({ held_version: 1, report: { version: 1, state: 'applied' } })
  const registrations = new Set(controller.told.flatMap(({ agent_id, registration }) => (registration ? [agent_id] : [])))
  expect(registrations.size).toBe(2000)
  for (const [index, { at, batch }] of controller.batches.entries()) {
    expect(batch.agents.length).toBeLessThanOrEqual(MAX_BATCH_AGENTS)
    const before = controller.batches[index - 1]
    if (before) expect(at - before.at).toBeGreaterThan(990)
  }
  // All of them at once would be far more; each second has one, whatever came in it.
  const seconds = ((controller.batches.at(-1)?.at ?? 0) - (controller.batches[0]?.at ?? 0)) / 1000
  expect(controller.batches.length).toBeLessThanOrEqual(seconds + 2)
})

describe('quiet', () => {
  test('a held connection that stays, and a long poll that is renewed, are told once; their end after a moment', { timeout: 40_000 }, async () => {
    const { controller, server, relay } = await open()
    await using _server = server
    await using _relay = relay
    await (await register(relay, 1)).text()
    const headers = { 'X-Agent-Id': idOf(1), 'If-None-Match': '"1"' }
    // Renewed as often as it comes back: for the controller that is one connection.
    for (let n = 0; n < 3; n++) expect((await relay.fetch('/config?wait=1', { headers })).status).toBe(304)
    const leave = new AbortController()
    await relay.fetch('/config/stream', { headers: { 'X-Agent-Id': idOf(1), 'Last-Event-ID': '1' }, signal: leave.signal })
    await vi.waitFor(() => expect(controller.told.at(-1)).toMatchObject({ via: 'stream', connected: true }), soon)
    await quiet(relay)
    const said = controller.told.map(({ via, connected, held_version }) => ({ via, connected, held_version }))
    expect(said).toEqual([
      expect.anything(),
      ...(said.length > 2 ? [{ via: 'wait', connected: true, held_version: 1 }] : []),
      { via: 'stream', connected: true, held_version: 1 },
    ])
    leave.abort()
    await vi.waitFor(() => expect(controller.told.at(-1)).toMatchObject({ agent_id: idOf(1), connected: false }), soon)
    expect(controller.told).toHaveLength(said.length + 1)
    expect(controller.told.at(-1)?.age_ms).toBeGreaterThanOrEqual(1900)
  })

  test('a polling agent is told of once an interval, however often it asks', { timeout: 40_000 }, async () => {
    const controller = new BatchController(quickClock)
    controller.intervalSeconds = 2
    const { server, relay } = await open(controller, quickClock)
    await using _server = server
    await using _relay = relay
    await (await register(relay, 1)).text()
    const headers = { 'X-Agent-Id': idOf(1), 'If-None-Match': '"1"' }
    const began = quickClock.monotonic()
    await vi.waitFor(
      async () => {
        expect((await relay.fetch('/config', { headers })).status).toBe(304)
        expect(controller.told.filter(({ via }) => via === 'poll').length).toBeGreaterThanOrEqual(4)
      },
      { timeout: 20_000, interval: 20 },
    )
    // Four signs are three intervals, less what a poll may be early.
    expect(quickClock.monotonic() - began).toBeGreaterThan(3 * 0.8 * 2000 - 500)
  })
})

describe('what is not taken', () => {
  test('is kept and sent later, in the state that it has by then; Retry-After is obeyed', { timeout: 40_000 }, async () => {
    const { controller, server, relay } = await open()
    await using _server = server
    await using _relay = relay
    controller.answers.push({ status: 503, headers: { 'Retry-After': '3' } })
    await (await register(relay, 1)).text()
    await vi.waitFor(async () => expect((await relay.status()).relay).toMatchObject({ unsent: 1, last_error: expect.stringContaining('503') }), soon)
    await report(relay, 1, { version: 1, state: 'applying' })
    await report(relay, 1, { version: 2, state: 'failed', error: 'no such thing' })
    await quiet(relay)
    await vi.waitFor(() => expect(controller.batches).toHaveLength(2), soon)
    const [first, second] = controller.batches
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(2900)
    expect(second?.batch.agents).toMatchObject([{ registration: follower(1), report: { version: 2, state: 'failed', error: 'no such thing' } }])
    await vi.waitFor(async () => expect((await relay.status()).relay?.last_error).toBeNull(), soon)
  })

  test('one agent that the controller refuses does not keep the others from it', { timeout: 60_000 }, async () => {
    const { controller, server, relay } = await open(new BatchController(quickClock), quickClock)
    await using _server = server
    await using _relay = relay
    controller.answers.push({ status: 503, headers: { 'Retry-After': '1' } })
    controller.poison = idOf(5)
    for (let n = 0; n < 8; n++) await (await register(relay, n)).text()
    await vi.waitFor(
      () => {
        const taken = controller.batches.filter(({ batch }) => !batch.agents.some(({ agent_id }) => agent_id === controller.poison)).slice(1)
        expect(new Set(taken.flatMap(({ batch }) => batch.agents.map(({ agent_id }) => agent_id))).size).toBe(7)
      },
      { timeout: 40_000, interval: 20 },
    )
    await quiet(relay)
  })

  test('an agent that the controller does not know comes with its registration next, once', { timeout: 40_000 }, async () => {
    const { controller, server, relay } = await open(new BatchController(quickClock), quickClock)
    await using _server = server
    await using _relay = relay
    await dataOf(await register(relay, 1), 201, RegisterResponseSchema)
    await quiet(relay)
    controller.known = new Set()
    await report(relay, 1, { version: 1, state: 'applied' })
    await vi.waitFor(() => expect(controller.told.at(-1)).toMatchObject({ registration: follower(1), report: { version: 1, state: 'applied' } }), soon)
    await quiet(relay)
    const { length } = controller.batches
    await report(relay, 1, { version: 2, state: 'applied' })
    await vi.waitFor(() => expect(controller.batches).toHaveLength(length + 1), soon)
  })

  test('one that stays unknown with its registration is told of again in a while, and keeps nobody else', { timeout: 40_000 }, async () => {
    const { controller, server, relay } = await open(new BatchController(quickClock), quickClock)
    await using _server = server
    await using _relay = relay
    controller.never = idOf(1)
    const tellings = () => controller.batches.filter(({ batch }) => batch.agents.some(({ agent_id }) => agent_id === idOf(1)))
    await (await register(relay, 1)).text()
    await vi.waitFor(() => expect(tellings()).toHaveLength(1), soon)
    await (await register(relay, 2)).text()
    await vi.waitFor(() => expect(controller.told.some(({ agent_id }) => agent_id === idOf(2))).toBe(true), soon)
    await vi.waitFor(() => expect(tellings().length).toBeGreaterThan(1), soon)
    const [first, second] = tellings()
    // Ten seconds by the relay's clock.
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(9900)
    expect(second?.batch.agents).toMatchObject([{ agent_id: idOf(1), registration: follower(1) }])
  })

  test('and one whose registration nobody has begins anew: its next report is answered with 404', { timeout: 40_000 }, async () => {
    const { controller, server, relay } = await open()
    await using _server = server
    await using _relay = relay
    controller.known = new Set()
    // It follows on since before this relay started.
    const stream = await relay.fetch('/config/stream', { headers: { 'X-Agent-Id': 'from-before', 'Last-Event-ID': '1' } })
    // Its connection is ended, so that it registers.
    await stream.text()
    expect((await relay.fetch('/agents/from-before/report', { body: { version: 1, state: 'applied' } })).status).toBe(404)
    expect(controller.told.map(({ agent_id }) => agent_id)).toContain('from-before')
  })
})

test('a relay that was cut off tells of all anew: the controller may have forgotten who is connected', { timeout: 40_000 }, async () => {
  const { controller, server, relay } = await open(new BatchController(quickClock), quickClock)
  await using _server = server
  await using _relay = relay
  await (await register(relay, 1)).text()
  const leave = new AbortController()
  await relay.fetch('/config/stream', { headers: { 'X-Agent-Id': idOf(1), 'Last-Event-ID': '1' }, signal: leave.signal })
  await report(relay, 1, { version: 1, state: 'applied' })
  await vi.waitFor(() => expect(controller.told.some((agent) => agent.connected && agent.report)).toBe(true), soon)
  await quiet(relay)
  controller.batches.length = 0
  for (const end of controller.breaks) end()
  await vi.waitFor(() => expect(controller.told).toMatchObject([{ agent_id: idOf(1), connected: true, report: { version: 1, state: 'applied' } }]), soon)
  leave.abort()
})

test('a relay that was killed comes back: its followers are told of again, under a new session', { timeout: 90_000 }, async () => {
  using folder = new TempFolder()
  using agentFolder = new TempFolder()
  const controller = new BatchController()
  await using server = await StubServer.open(controller.handler)
  const startRelay = (port: string) =>
    startService('agent', { RELAY: 'true', API_KEY: TEST_KEY, AGENT_HOST: '127.0.0.1', AGENT_PORT: port, DATA_DIR: folder.path, CONTROLLER_URL: server.url })
  let port: number
  await using relay = startRelay('0')
  port = await relay.listening()
  await using agent = startService('agent', {
    API_KEY: TEST_KEY,
    AGENT_HOSTNAME: 'below',
    DATA_DIR: agentFolder.path,
    CONTROLLER_URL: `http://127.0.0.1:${port}`,
  })
  await agent.listening()
  await vi.waitFor(() => expect(controller.told.at(-1)).toMatchObject({ via: 'stream', connected: true }), soon)
  const below = controller.told.at(-1)?.agent_id
  expect(controller.told.find(({ registration }) => registration)).toMatchObject({ agent_id: below, registration: { hostname: 'below' } })
  const before = controller.batches.at(-1)?.batch.sessions
  relay.signal('SIGKILL')
  await relay.ended
  controller.batches.length = 0
  await using back = startRelay(String(port))
  port = await back.listening()
  await vi.waitFor(() => expect(controller.told.at(-1)).toMatchObject({ agent_id: below, via: 'stream', connected: true }), { timeout: 40_000, interval: 20 })
  const after = controller.batches.at(-1)?.batch.sessions
  expect(Object.keys(after ?? {})).toEqual(Object.keys(before ?? {}))
  expect(after).not.toEqual(before)
})
