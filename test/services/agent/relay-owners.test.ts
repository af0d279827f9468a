import { describe, expect, test, vi } from 'vitest'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { BatchAcceptedSchema } from '#lib/contract/fleet.ts'
import type { MadeKey, Role } from '#lib/contract/keys.ts'
import { agentIdOf } from '#lib/distribution/agent-id.ts'
import { dataOf, errorOf, TestController } from '#test/_support/controller.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { TestRelay } from '#test/_support/relay.ts'

const soon = { timeout: 15_000, interval: 10 }
const host = { hostname: 'web-01', ip_address: '10.0.0.7', port: 8081 }
const id = agentIdOf(host)
const report = { version: 1, state: 'applied' }

/** A controller with two relays below it, and keys of two owners. */
async function twoRelays() {
  const controller = await TestController.open()
  const { port } = await controller.listen()
  await controller.publish({ n: 1 })
  const make = (name: string, role: Role = 'agent'): Promise<MadeKey> => controller.makeKey({ name, role })
  const relayWith = async (name: string, controllerUrl = `http://127.0.0.1:${port}`) => {
    const relay = await TestRelay.open({ controllerUrl, clock: quickClock, env: { API_KEY: (await make(name, 'relay')).key, AGENT_HOSTNAME: name } })
    await vi.waitFor(async () => expect((await relay.fetch('/ready')).status).toBe(200), soon)
    await vi.waitFor(async () => expect((await relay.fetch('/config', { key: admin.key })).status).toBe(200), soon)
    return relay
  }
  const admin = await make('ops', 'admin')
  const [one, two] = [await make('one'), await make('two')]
  const [left, right] = [await relayWith('left'), await relayWith('right')]
  const inventory = () => controller.deps.fleet.agent(id)
  const owner = async () => (await controller.deps.store.agents()).find(({ agent }) => agent.agent_id === id)?.agent.owner
  const dispose = async () => {
    for (const part of [left, right, controller]) await part[Symbol.asyncDispose]()
  }
  return { controller, port, make, relayWith, one, two, left, right, inventory, owner, [Symbol.asyncDispose]: dispose }
}
type Tree = Awaited<ReturnType<typeof twoRelays>>

const register = (relay: TestRelay, { key }: MadeKey) => relay.fetch('/register', { key, body: host })
const reportTo = (relay: TestRelay, { key }: MadeKey, body: object = report) => relay.fetch(`/agents/${id}/report`, { key, body })

/** Registers by the left relay, and waits until the controller knows whose the agent is. */
async function registered(tree: Tree): Promise<void> {
  await dataOf(await register(tree.left, tree.one), 201, RegisterResponseSchema)
  await vi.waitFor(async () => expect(await tree.owner()).toBe('one'), soon)
}

describe('an agent below a relay', () => {
  test('belongs to the name of the key that it registered with there, for the controller too', async () => {
    await using tree = await twoRelays()
    const { controller, one, two, left } = tree
    await registered(tree)
    await errorOf(await register(left, two), 403, 'NOT_PERMITTED')
    await errorOf(await reportTo(left, two), 403, 'NOT_PERMITTED')
    expect((await reportTo(left, one)).status).toBe(200)
    // Without the relay it is the same agent, and no other's either.
    await errorOf(await controller.request('/register', { key: two.key, body: host }), 403, 'NOT_PERMITTED')
    expect((await controller.request('/register', { key: one.key, body: host })).status).toBe(201)
  })

  test('cannot be taken by way of a relay that does not know it: its controller says so', { timeout: 30_000 }, async () => {
    await using tree = await twoRelays()
    const { one, two, left, right, inventory, owner } = tree
    await registered(tree)
    expect((await reportTo(left, one)).status).toBe(200)
    await vi.waitFor(() => expect(inventory()).toMatchObject({ state: 'applied', applied_version: 1 }), soon)
    const before = inventory()
    // Taken there at first, since it must do without its controller; what comes of it is nothing.
    await dataOf(await register(right, two), 201, RegisterResponseSchema)
    await reportTo(right, two, { version: 1, state: 'failed', error: 'not me' })
    await vi.waitFor(async () => errorOf(await register(right, two), 403, 'NOT_PERMITTED'), soon)
    await errorOf(await reportTo(right, two), 403, 'NOT_PERMITTED')
    expect(inventory()).toMatchObject({ state: 'applied', applied_version: 1, relay_id: before?.relay_id })
    expect(await owner()).toBe('one')
    // Its own key is not refused there for that.
    await dataOf(await register(right, one), 201, RegisterResponseSchema)
  })

  test('is kept online and moved by nobody else’s reads, whatever relay they are sent to', { timeout: 30_000 }, async () => {
    await using tree = await twoRelays()
    const { controller, two, left, right, inventory } = tree
    await registered(tree)
    const before = inventory()
    const read = { key: two.key, headers: { 'X-Agent-Id': id, 'If-None-Match': '"1"' } }
    const batch = vi.spyOn(controller.deps.fleet, 'batch')
    // The relay that did not know it hears that it is another's, and holds nothing more in its name.
    await errorOf(await right.fetch('/config?wait=60', read), 403, 'NOT_PERMITTED')
    // Reading is not refused: only what it says of the agent is not listened to.
    for (const relay of [left, right]) expect((await relay.fetch('/config', read)).status).toBe(304)
    const said = batch.mock.calls.flatMap(([, { agents }]) => agents).filter(({ agent_id, owner }) => agent_id === id && owner === 'two')
    expect(said.length).toBeGreaterThan(0)
    expect(inventory()).toMatchObject({ relay_id: before?.relay_id, held_version: before?.held_version, via: before?.via })
  })

  test('may be taken once its owner’s keys are gone', { timeout: 30_000 }, async () => {
    await using tree = await twoRelays()
    const { controller, one, two, left, owner } = tree
    await registered(tree)
    await errorOf(await register(left, two), 403, 'NOT_PERMITTED')
    await controller.revokeKey(one.id)
    await vi.waitFor(async () => expect((await register(left, two)).status).toBe(201), soon)
    await vi.waitFor(async () => expect(await owner()).toBe('two'), soon)
  })

  test('that registered with the shared key is its own key’s from when it comes with that', { timeout: 30_000 }, async () => {
    await using tree = await twoRelays()
    const { left, one, two, owner, inventory } = tree
    expect((await left.fetch('/register', { body: host })).status).toBe(201)
    await vi.waitFor(() => expect(inventory()).toBeDefined(), soon)
    expect(await owner()).toBe(null)
    expect((await register(left, one)).status).toBe(201)
    await vi.waitFor(async () => expect(await owner()).toBe('one'), soon)
    await errorOf(await register(left, two), 403, 'NOT_PERMITTED')
  })
})

describe('a relay below a relay', () => {
  test('belongs to its own key, and its agents to theirs', { timeout: 30_000 }, async () => {
    await using tree = await twoRelays()
    const { controller, left, one, owner, relayWith } = tree
    await using lower = await relayWith('lower', left.url)
    await dataOf(await register(lower, one), 201, RegisterResponseSchema)
    await vi.waitFor(async () => expect(await owner()).toBe('one'), soon)
    const owners = new Map((await controller.deps.store.agents()).map(({ agent }) => [agent.hostname, agent.owner]))
    expect(Object.fromEntries(owners)).toMatchObject({ left: 'left', right: 'right', lower: 'lower', 'web-01': 'one' })
  })

  test('is spoken for by no other relay’s key', async () => {
    await using tree = await twoRelays()
    const { controller, make, left } = tree
    const stranger = await make('stranger', 'relay')
    const body = { agents: [] }
    const headers = { 'X-Agent-Id': (await left.status()).agent_id ?? '' }
    await errorOf(await controller.request('/agents/reports', { key: stranger.key, headers, body }), 403, 'NOT_PERMITTED')
    await dataOf(await controller.request('/agents/reports', { headers, body }), 200, BatchAcceptedSchema)
  })
})
