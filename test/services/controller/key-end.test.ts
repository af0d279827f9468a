import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { KeysSchema } from '#lib/contract/keys.ts'
import { ConfigFeed } from '#lib/distribution/feed.ts'
import { ConfigStreams } from '#lib/distribution/streams.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { dataOf, errorOf, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { readEvents } from '#test/_support/events.ts'
import { requestBytes } from '#test/_support/raw-http.ts'
import { closed } from '#test/_support/stream-watchers.ts'

const soon = { timeout: 10_000, interval: 5 }
const big = { text: 'x'.repeat(900_000) }

/** A controller that keeps whatever its readers do not take. */
async function patientController(): Promise<TestController> {
  const feed = new ConfigFeed(undefined)
  const presence = {
    seen: (...of: Parameters<typeof controller.deps.fleet.seen>) => controller.deps.fleet.seen(...of),
    attach: (...of: Parameters<typeof controller.deps.fleet.attach>) => controller.deps.fleet.attach(...of),
  }
  const limits = { max_buffered_bytes: 1e9, heartbeat_ms: 600_000 }
  const controller: TestController = await TestController.open({
    overrides: { feed, streams: new ConfigStreams({ feed, presence, logger: silentLogger, limits }) },
  })
  return controller
}

/** An agent that begins to read the stream and takes nothing more. */
async function slowAgent(controller: TestController, port: number) {
  const { key, id: keyId } = await controller.makeKey({ name: 'slow', role: 'agent' })
  const body = { hostname: 'slow', ip_address: 'i', port: 1 }
  const { agent_id: agentId } = await dataOf(await controller.request('/register', { key, body }), 201, RegisterResponseSchema)
  const socket: Socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.write(requestBytes('GET', '/config/stream', { headers: { 'X-API-Key': key, 'X-Agent-Id': agentId } }))
  await once(socket, 'data')
  socket.pause()
  return { socket, keyId, agentId }
}

describe('a reader that does not read', () => {
  it.each(['its key is revoked', 'its agent is deleted'])('is cut off when %s, and what is published then harms nobody', async (why) => {
    await using controller = await patientController()
    const { port } = await controller.listen()
    const { socket, keyId, agentId } = await slowAgent(controller, port)
    // More than the kernel's buffers of both ends hold: what is beyond waits in the controller.
    for (let n = 0; n < 20; n++) await controller.publish({ n, ...big })
    if (why === 'its key is revoked') await controller.revokeKey(keyId)
    else expect((await controller.request(`/agents/${agentId}`, { method: 'DELETE' })).status).toBe(200)
    expect([controller.deps.streams.open, controller.deps.feed.hub.watchers]).toEqual([0, 0])
    // A write behind the end would be an error that nobody handles.
    await controller.publish()
    const gone = closed(socket)
    socket.resume()
    await gone
  })

  it('keeps nobody from stopping', async () => {
    const controller = await patientController()
    const { port } = await controller.listen()
    const { socket } = await slowAgent(controller, port)
    for (let n = 0; n < 20; n++) await controller.publish({ n, ...big })
    controller.deps.feed.close()
    expect(controller.deps.streams.open).toBe(0)
    controller.deps.streams.tellKeysCount()
    await controller[Symbol.asyncDispose]()
    socket.destroy()
  })
})

describe('a key', () => {
  it('that ends while its request is on its way opens nothing', async () => {
    await using controller = await TestController.open()
    const server = await controller.listen()
    await controller.publish()
    const { key, id } = await controller.makeKey({ name: 'web-01', role: 'agent' })
    // As if it had ended between the look at the key and the beginning of the stream, or of the wait.
    const caller = controller.deps.keys.caller(key)
    if (caller === undefined) throw new Error('the key is not known')
    await controller.revokeKey(id)
    vi.spyOn(controller.deps.keys, 'caller').mockReturnValue(caller)
    for await (const _ of readEvents(await server.fetch('/config/stream', { key })));
    for (const query of ['wait=30', 'wait=30&']) {
      const poll = server.fetch(`/config?${query}`, { key, headers: { 'If-None-Match': '"1"' } })
      await errorOf(await poll, 403, 'FORBIDDEN')
    }
    expect([controller.deps.feed.hub.watchers, controller.deps.streams.open, [...controller.deps.feed.byKey.keys()]]).toEqual([0, 0, []])
  })

  it('with which a stream is open counts as used for as long as it is', async () => {
    let ahead = 0
    await using controller = await TestController.open({ overrides: { clock: { ...systemClock, now: () => Date.now() + ahead } } })
    const server = await controller.listen()
    const { key } = await controller.makeKey({ name: 'web-01', role: 'agent' })
    const usedAt = async () => Date.parse((await dataOf(await controller.request('/keys'), 200, KeysSchema)).keys[0]?.last_used_at ?? '')
    const events = readEvents(await server.fetch('/config/stream', { key }))
    await events.next()
    const opened = await usedAt()
    ahead = 30 * 86_400_000
    expect(await usedAt()).toBeGreaterThanOrEqual(opened + ahead)
    await events.return(undefined)
    await vi.waitFor(() => expect(controller.deps.streams.open).toBe(0), soon)
    const ended = await usedAt()
    ahead *= 2
    expect(await usedAt()).toBe(ended)
  })

  it('that has expired stays so where the clock is set back, and is shown for 30 days', async () => {
    let ahead = 0
    const noted: string[] = []
    const logger = { ...silentLogger, info: (_part: string, message: string) => void noted.push(message) }
    await using controller = await TestController.open({ overrides: { logger, clock: { ...systemClock, now: () => Date.now() + ahead } } })
    const { key } = await controller.makeKey({ name: 'web-01', role: 'agent', expires_at: new Date(Date.now() + 300).toISOString() })
    const ask = async () => (await controller.request('/config', { key })).status
    expect(await ask()).toBe(404)
    await vi.waitFor(async () => expect(await ask()).toBe(403), soon)
    await vi.waitFor(() => expect(noted).toContain('a key has expired'), soon)
    ahead = -10_000
    expect(await ask()).toBe(403)
    const shown = async () => (await dataOf(await controller.request('/keys'), 200, KeysSchema)).keys.length
    ahead = 29 * 86_400_000
    expect(await shown()).toBe(1)
    ahead = 31 * 86_400_000
    expect(await shown()).toBe(0)
  })

  it('of a fleet costs no write for each request: uses are saved once a minute, many in a transaction, and at the end', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    await using controller = await TestController.open()
    const { store, keys } = controller.deps
    const made = []
    for (let n = 0; n < 300; n++)
      made.push(await keys.make({ name: `host-${n}`, role: 'agent' }, { key_id: 'bootstrap', name: 'API_KEY', address: 'a', request_id: 'r' }))
    const saved = vi.spyOn(store, 'saveKeyUses')
    for (let round = 0; round < 5; round++) for (const { key } of made) keys.caller(key)
    expect(saved).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(60_000)
    await vi.waitFor(() => expect(saved.mock.calls.map(([uses]) => uses.length)).toEqual([250, 50]), soon)
    await vi.waitFor(async () => expect((await store.keys()).every(({ last_used_at }) => last_used_at !== null)).toBe(true), soon)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(saved).toHaveBeenCalledTimes(2)
    // What is used after that is saved at the end; a disk that refuses loses nothing.
    vi.useRealTimers()
    const [last] = await store.keys()
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(Date.parse(last?.last_used_at ?? '')), soon)
    keys.caller(made[7]?.key ?? '')
    await keys.close()
    expect(saved.mock.calls.at(-1)?.[0]).toEqual([{ id: made[7]?.id, last_used_at: expect.any(String) }])
  })
})

it('the controller’s own key is never among those that are made, shown or revoked', async () => {
  await using controller = await TestController.open()
  expect((await dataOf(await controller.request('/keys'), 200, KeysSchema)).keys).toEqual([])
  const refused = await errorOf(await controller.request('/keys/bootstrap', { method: 'DELETE' }), 404, 'NOT_FOUND')
  expect(refused.message).toContain('API_KEY')
  expect((await controller.request('/keys', { key: TEST_KEY })).status).toBe(200)
})
