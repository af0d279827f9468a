import { writeFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { type MadeKey, MadeKeySchema, type Role } from '#lib/contract/keys.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { StartError } from '#lib/runtime/env.ts'
import { AgentKey } from '#services/agent/api-key.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { TestAgent } from '#test/_support/agent.ts'
import { dataOf, errorOf, TestController } from '#test/_support/controller.ts'
import { readEvents } from '#test/_support/events.ts'
import { GoWorker, serveGo } from '#test/_support/go-system.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { TestRelay } from '#test/_support/relay.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }

const make = async (controller: TestController, role: Role, name: string): Promise<MadeKey> =>
  dataOf(await controller.request('/keys', { body: { name, role } }), 201, MadeKeySchema)
const revoke = (controller: TestController, { id }: MadeKey) => controller.request(`/keys/${id}`, { method: 'DELETE' })

/** A controller on a socket, and a relay that follows it with a key of its own. */
async function withRelay() {
  const controller = await TestController.open()
  const { port } = await controller.listen()
  const key = await make(controller, 'relay', 'the-relay')
  const relay = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}`, clock: quickClock, env: { API_KEY: key.key } })
  await controller.publish({ n: 1 })
  await vi.waitFor(async () => {
    const status = await (await relay.fetch('/status', { key: key.key })).json()
    expect(status).toMatchObject({ data: { held_version: 1, controller: { via: 'stream' } } })
  }, soon)
  return { controller, relay, port }
}

describe('a relay', () => {
  test('holds keys to their roles and agents to their owners, as its controller does', async () => {
    const { controller, relay } = await withRelay()
    await using _ = controller
    await using __ = relay
    const [one, two, publisher] = [await make(controller, 'agent', 'one'), await make(controller, 'agent', 'two'), await make(controller, 'publisher', 'ops')]
    const body = { hostname: 'web-01', ip_address: '10.0.0.7', port: 8081 }
    const registered = await relay.fetch('/register', { key: one.key, body })
    expect(registered.status).toBe(201)
    await errorOf(await relay.fetch('/register', { key: two.key, body }), 403, 'NOT_PERMITTED')
    await errorOf(await relay.fetch('/register', { key: publisher.key, body }), 403, 'NOT_PERMITTED')
    await errorOf(await relay.fetch('/agents/reports', { key: one.key, body: { agents: [] } }), 403, 'NOT_PERMITTED')
    expect((await relay.fetch('/config', { key: publisher.key })).status).toBe(200)
    await errorOf(await relay.fetch('/config', { key: 'nobodys' }), 403, 'FORBIDDEN')
  })

  test('hears of a revoked key by its stream: it refuses it at once, and ends what it held for it', async () => {
    const { controller, relay } = await withRelay()
    await using _ = controller
    await using __ = relay
    await using below = await TestRelay.open({ controllerUrl: relay.url, clock: quickClock, env: { API_KEY: (await make(controller, 'relay', 'below')).key } })
    const gone = await make(controller, 'agent', 'gone')
    await vi.waitFor(async () => expect((await below.fetch('/config', { key: gone.key })).status).toBe(200), soon)
    const streams = [readEvents(await relay.fetch('/config/stream', { key: gone.key })), readEvents(await below.fetch('/config/stream', { key: gone.key }))]
    const poll = relay.fetch('/config?wait=60', { key: gone.key, headers: { 'If-None-Match': '"1"' } })
    for (const stream of streams) expect((await stream.next()).done).toBe(false)
    await revoke(controller, gone)
    for (const stream of streams) for await (const event of stream) expect(event).toBeDefined()
    await errorOf(await poll, 403, 'FORBIDDEN')
    for (const one of [relay, below]) await errorOf(await one.fetch('/config', { key: gone.key }), 403, 'FORBIDDEN')
  })
})

describe('an agent whose key stands in a file', () => {
  test.each(['directly', 'below a relay'])('goes over to a new key without falling off, %s', { timeout: 30_000 }, async (where) => {
    const { controller, relay, port } = await withRelay()
    await using _ = controller
    await using __ = relay
    using folder = new TempFolder()
    const [before, after] = [await make(controller, 'agent', 'web-01'), await make(controller, 'agent', 'web-01')]
    const apiKeyFile = folder.file('key')
    writeFileSync(apiKeyFile, `${before.key}\n`)
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    const controllerUrl = where === 'directly' ? `http://127.0.0.1:${port}` : relay.url
    const settings = { controllerUrl, workerUrl: workerServer.url, apiKey: before.key, apiKeyFile }
    await using agent = new TestAgent({ dataDir: folder.path, settings })
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version: 1 }), soon)
    writeFileSync(apiKeyFile, after.key)
    await revoke(controller, before)
    await controller.publish({ n: 2 })
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version: 2 }), soon)
    expect(agent.follower.status.state).toBe('following')
    await vi.waitFor(async () => {
      const { agents } = await controller.deps.fleet.page({})
      expect(agents.find(({ agent_id }) => agent_id === agent.follower.agentId)).toMatchObject({ online: true, state: 'applied', applied_version: 2 })
    }, soon)
  })

  test('keeps its last key while the file holds none, and says so once', () => {
    using folder = new TempFolder()
    const warn = vi.fn()
    const file = folder.file('key')
    const key = new AgentKey({ initial: 'first', file, logger: { ...silentLogger, warn }, clock: systemClock })
    for (const content of [undefined, '', 'two words', 'ä']) {
      if (content !== undefined) writeFileSync(file, content)
      for (let i = 0; i < 3; i++) expect([key.look(), key.current]).toEqual([false, 'first'])
    }
    // Missing, empty, and twice no key: three reasons.
    expect(warn).toHaveBeenCalledTimes(3)
    writeFileSync(file, ' second \n')
    expect([key.look(), key.current, key.look()]).toEqual([true, 'second', false])
  })

  test('does not start with a key and a file, or a file without a key', () => {
    using folder = new TempFolder()
    const load = (env: Record<string, string>) => () => loadAgentConfig({ DATA_DIR: folder.path, ...env })
    expect(load({ API_KEY: 'a', API_KEY_FILE: folder.file('key') })).toThrow(StartError)
    expect(load({ API_KEY_FILE: folder.file('key') })).toThrow(/no key can be read from it/)
    writeFileSync(folder.file('key'), 'from-the-file\n')
    expect(load({ API_KEY_FILE: folder.file('key') })().apiKey).toBe('from-the-file')
  })
})
