import { describe, expect, it } from 'vitest'
import { admin, noDrop } from '#test/_support/callers.ts'
import type { TestController } from '#test/_support/controller.ts'
import { readEvents } from '#test/_support/events.ts'
import { agentOf, batch, idsOf, item, poll, register, report, withHeldClock } from './fleet-calls.ts'

const MINUTE = 60_000
const registration = (hostname: string) => ({ hostname, ip_address: '10.0.0.7', port: 8081 })
const isOnline = async (controller: TestController, id: string) => (await agentOf(controller, id)).online
const publishWith = async (controller: TestController, seconds: number) =>
  (await controller.request('/config', { body: { data: {}, poll_interval_seconds: seconds } })).text()

describe('an agent that polls', () => {
  it.each([
    ['the default interval', undefined, 90_000],
    ["the config's interval", 5, 15_000],
  ])('is offline once it was silent for three of its intervals, with %s', async (_name, seconds, silence) => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    if (seconds !== undefined) await publishWith(controller, seconds)
    const id = await register(controller, 'web-01')
    for (const sign of [
      () => poll(controller, id, 1),
      () => poll(controller, id, 1, '?wait=0'),
      () => register(controller, 'web-01'),
      () => report(controller, id, 1),
    ]) {
      clock.pass(3_600_000)
      expect(await isOnline(controller, id)).toBe(false)
      await sign()
      clock.pass(silence - 1)
      expect(await isOnline(controller, id)).toBe(true)
      const { last_seen_at: seen } = await agentOf(controller, id)
      clock.pass(1)
      expect(await agentOf(controller, id)).toMatchObject({ online: false, last_seen_at: seen })
    }
  })

  it('is not offline because a publish made the interval shorter: it has not read that yet', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    await publishWith(controller, 60)
    const [reader, sleeper] = [await register(controller, 'reader'), await register(controller, 'sleeper')]
    for (const id of [reader, sleeper]) await poll(controller, id, 1)
    clock.pass(59_000)
    await publishWith(controller, 1)
    await publishWith(controller, 2)
    await poll(controller, reader, 3)
    clock.pass(6000)
    expect([await isOnline(controller, reader), await isOnline(controller, sleeper)]).toEqual([false, true])
    clock.pass(180_000 - 59_000 - 6000 - 1)
    expect(await isOnline(controller, sleeper)).toBe(true)
    clock.pass(1)
    expect(await isOnline(controller, sleeper)).toBe(false)
  })

  it('keeps to a longer interval only for as long as one who had that may, however often is published since', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    await publishWith(controller, 3600)
    const id = await register(controller, 'silent')
    await poll(controller, id, 1)
    for (const seconds of [600, 30]) await publishWith(controller, seconds)
    for (let hour = 1; hour <= 3; hour++) {
      expect(await isOnline(controller, id)).toBe(true)
      clock.pass(3_600_000)
      await publishWith(controller, 30)
    }
    expect(await isOnline(controller, id)).toBe(false)
    const late = await register(controller, 'late')
    await poll(controller, late, 1)
    clock.pass(90_000)
    expect(await isOnline(controller, late)).toBe(false)
  })

  it('is shown with the wall clock, and judged by the other: a step of the wall clock takes nobody offline', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const id = await register(controller, 'web-01')
    clock.wall += 3_600_000
    expect(await agentOf(controller, id)).toMatchObject({ online: true, last_seen_at: '2026-11-24T10:00:00.000Z' })
  })

  it('holds nothing before its first config, which it says with a 0', async () => {
    const { controller } = await withHeldClock()
    await using _ = controller
    const id = await register(controller, 'web-01')
    await poll(controller, id, 0)
    expect((await agentOf(controller, id)).held_version).toBeNull()
    await batch(controller, 'relay', { agents: [item(id, { held_version: 2 })] })
    await batch(controller, 'relay', { agents: [item(id, { held_version: null })] })
    expect((await agentOf(controller, id)).held_version).toBe(2)
    await batch(controller, 'relay', { agents: [item(id, { held_version: 0 })] })
    expect((await agentOf(controller, id)).held_version).toBeNull()
  })

  it('is one of nobody where it names itself by an id that is not known', async () => {
    const { controller } = await withHeldClock()
    await using _ = controller
    await controller.publish()
    expect((await poll(controller, 'nobody', 1)).status).toBe(304)
    expect((await poll(controller, '__proto__', 0)).status).toBe(200)
    expect(await idsOf(controller, '')).toEqual([])
  })
})

describe('an agent whose connection is held', () => {
  it.each(['stream', 'wait'] as const)('is online for as long as it is, and from then on counts as heard of (%s)', async (via) => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    await controller.publish()
    const id = await register(controller, 'web-01')
    const server = await controller.listen()
    const leaving = new AbortController()
    const headers = { 'X-Agent-Id': id, 'If-None-Match': '"1"', 'Last-Event-ID': '1' }
    const answer = server.fetch(via === 'stream' ? '/config/stream' : '/config?wait=60', { headers, signal: leaving.signal })
    await expect.poll(() => controller.deps.feed.hub.watchers).toBe(1)
    clock.pass(3_600_000)
    // A plain read beside it does not change how it follows.
    await poll(controller, id, 1)
    clock.pass(MINUTE)
    expect(await agentOf(controller, id)).toMatchObject({ online: true, via, held_version: 1, last_seen_at: new Date(clock.wall).toISOString() })
    leaving.abort()
    await Promise.allSettled([answer.then((one) => one.text())])
    await expect.poll(() => controller.deps.feed.hub.watchers).toBe(0)
    clock.pass(89_999)
    expect(await isOnline(controller, id)).toBe(true)
    clock.pass(1)
    expect(await isOnline(controller, id)).toBe(false)
  })

  it('counts each of several connections', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const id = await register(controller, 'web-01')
    const open = async () => readEvents(await controller.request('/config/stream', { headers: { 'X-Agent-Id': id } }))
    const [one, two] = [await open(), await open()]
    await one.next()
    await two.next()
    await one.return(undefined)
    clock.pass(3_600_000)
    expect(await isOnline(controller, id)).toBe(true)
    await two.return(undefined)
    clock.pass(90_000)
    expect(await isOnline(controller, id)).toBe(false)
  })
})

describe('an agent below a relay', () => {
  /** A relay, and an agent that it holds a connection of. */
  const below = async () => {
    const held = await withHeldClock()
    const { controller } = held
    const relay = await register(controller, 'relay')
    const id = await register(controller, 'web-01')
    const tell = (more: Parameters<typeof item>[1], session = 'first') => batch(controller, relay, { sessions: { [relay]: session }, agents: [item(id, more)] })
    await tell({ connected: true, held_version: 3 })
    return { ...held, relay, id, tell }
  }

  it('is online for as long as its relay is', async () => {
    const { controller, clock, relay, id } = await below()
    await using _ = controller
    expect(await agentOf(controller, id)).toMatchObject({ online: true, relay_id: relay, via: 'stream', held_version: 3 })
    for (let i = 0; i < 10; i++) {
      clock.pass(MINUTE)
      await poll(controller, relay)
      expect(await agentOf(controller, id)).toMatchObject({ online: true, last_seen_at: new Date(clock.wall).toISOString() })
    }
    const seen = new Date(clock.wall).toISOString()
    clock.pass(90_000)
    expect(await isOnline(controller, relay)).toBe(false)
    expect(await agentOf(controller, id)).toMatchObject({ online: false, last_seen_at: seen })
    // The relay comes back, and was never away: nothing was said about its connections.
    await poll(controller, relay)
    expect(await isOnline(controller, id)).toBe(true)
    await controller.request(`/agents/${relay}`, { method: 'DELETE' })
    expect(await isOnline(controller, id)).toBe(false)
  })

  it('is not connected any more once its relay starts anew, or says so', async () => {
    const { controller, clock, relay, id, tell } = await below()
    await using _ = controller
    clock.pass(3_600_000)
    await batch(controller, relay, { sessions: { [relay]: 'second' }, agents: [] })
    // Until a moment ago it was: it gets the time to follow again.
    const ended = new Date(clock.wall).toISOString()
    clock.pass(89_999)
    await poll(controller, relay)
    expect(await agentOf(controller, id)).toMatchObject({ online: true, last_seen_at: ended })
    clock.pass(1)
    expect(await agentOf(controller, id)).toMatchObject({ online: false, last_seen_at: ended })

    await tell({ connected: true }, 'second')
    expect(await isOnline(controller, id)).toBe(true)
    clock.pass(3_600_000)
    await tell({ connected: false, age_ms: 89_999 }, 'second')
    expect(await isOnline(controller, id)).toBe(true)
    clock.pass(1)
    expect(await isOnline(controller, id)).toBe(false)
  })

  it('stays connected where its relay names the same session again, or none', async () => {
    const { controller, clock, relay, id } = await below()
    await using _ = controller
    clock.pass(3_600_000)
    await batch(controller, relay, { sessions: { [relay]: 'first' }, agents: [] })
    await batch(controller, relay, { agents: [] })
    expect(await isOnline(controller, id)).toBe(true)
  })

  it('was last seen as its relay says, and never earlier than was known already', async () => {
    const { controller, clock, id, tell } = await below()
    await using _ = controller
    clock.pass(3_600_000)
    await tell({ age_ms: 30_000 })
    const seen = new Date(clock.wall - 30_000).toISOString()
    expect(await agentOf(controller, id)).toMatchObject({ online: true, last_seen_at: seen })
    await tell({ age_ms: 80_000 })
    expect((await agentOf(controller, id)).last_seen_at).toBe(seen)
  })

  it('that its relay heard of long ago is new and offline', async () => {
    const { controller, clock, relay } = await below()
    await using _ = controller
    await batch(controller, relay, { agents: [item('old', { age_ms: 100_000, registration: registration('old') })] })
    expect(await agentOf(controller, 'old')).toMatchObject({ online: false, relay_id: relay, last_seen_at: new Date(clock.wall - 100_000).toISOString() })
  })

  it('stays where its relay holds its connection, though somebody reads in its name', async () => {
    const { controller, clock, relay, id, tell } = await below()
    await using _ = controller
    await tell({ connected: true })
    clock.pass(10_000)
    await poll(controller, id, 4)
    clock.pass(3_600_000)
    await poll(controller, relay, 4)
    expect(await agentOf(controller, id)).toMatchObject({ relay_id: relay, via: 'stream', online: true })
  })

  it.each([Number.MAX_SAFE_INTEGER, 9e15])('is shown where its relay says an age that is none (%d ms)', async (age) => {
    const { controller, relay, tell } = await below()
    await using _ = controller
    await tell({ connected: false, age_ms: age })
    await batch(controller, relay, { agents: [item('old', { age_ms: age, registration: registration('old') })] })
    expect(await agentOf(controller, 'old')).toMatchObject({ online: false, last_seen_at: expect.stringMatching(/^20/) })
    expect((await controller.request('/agents')).status).toBe(200)
  })

  it('belongs to the controller once it asks there, and late news of its relay do not take it back', async () => {
    const { controller, clock, relay, id, tell } = await below()
    await using _ = controller
    await tell({ connected: false })
    clock.pass(10_000)
    await poll(controller, id, 4)
    expect(await agentOf(controller, id)).not.toHaveProperty('relay_id')
    await tell({ age_ms: 5000, held_version: 3, connected: false })
    expect(await agentOf(controller, id)).toMatchObject({ via: 'poll', held_version: 4 })
    expect(await agentOf(controller, id)).not.toHaveProperty('relay_id')
    // What its relay holds now is news.
    await tell({ connected: true, age_ms: 5000, held_version: 4 })
    expect(await agentOf(controller, id)).toMatchObject({ relay_id: relay, via: 'stream' })
    await register(controller, 'web-01')
    expect(await agentOf(controller, id)).not.toHaveProperty('relay_id')
    // While its connection is held here, what its relay knew before that is the past.
    clock.pass(10_000)
    const stream = await controller.request('/config/stream', { headers: { 'X-Agent-Id': id } })
    await tell({ connected: true, age_ms: 1 })
    await tell({ connected: false })
    expect(await agentOf(controller, id)).not.toHaveProperty('relay_id')
    await stream.body?.cancel()
  })

  it('is there where its relay holds it, though a connection that it had here is half open', async () => {
    const { controller, clock, relay, id, tell } = await below()
    await using _ = controller
    const relays = controller.deps.fleet.attach({ agentId: relay, heldVersion: 0, via: 'stream', caller: admin }, noDrop())
    const detach = controller.deps.fleet.attach({ agentId: id, heldVersion: 0, via: 'stream', caller: admin }, noDrop())
    clock.pass(1000)
    await tell({ connected: true })
    clock.pass(30_000)
    detach()
    clock.pass(100_000)
    expect(await agentOf(controller, id)).toMatchObject({ online: true, relay_id: relay })
    relays()
  })

  it('stays online below a relay that moved, whatever the relay that this one has left still says of it', async () => {
    const { controller, clock, relay: old, id } = await below()
    await using _ = controller
    const moved = await register(controller, 'moved')
    const stale = { [old]: 'first', [moved]: 'r1' }
    await batch(controller, old, { sessions: stale, agents: [item(id, { connected: true, relay_id: moved }), item(moved, { connected: true })] })
    // It starts anew, and follows the controller itself.
    controller.deps.fleet.attach({ agentId: moved, heldVersion: 0, via: 'stream', caller: admin }, noDrop())
    await batch(controller, moved, { sessions: { [moved]: 'r2' }, agents: [item(id, { connected: true })] })
    await batch(controller, old, { sessions: stale, agents: [] })
    await batch(controller, moved, { sessions: { [moved]: 'r2' }, agents: [] })
    clock.pass(3_600_000)
    expect(await agentOf(controller, id)).toMatchObject({ online: true, relay_id: moved })
    // Nor can any other sender end its session.
    await batch(controller, 'stranger', { sessions: { [moved]: 'x' }, agents: [] })
    await controller.request('/agents/reports', { body: { sessions: { [moved]: 'x' }, agents: [] } })
    clock.pass(3_600_000)
    expect(await isOnline(controller, id)).toBe(true)
  })

  it('stays online where its relay was deleted, registers again, and goes on in the same session', async () => {
    const { controller, clock, relay, id } = await below()
    await using _ = controller
    await controller.request(`/agents/${relay}`, { method: 'DELETE' })
    await register(controller, 'relay')
    clock.pass(3_600_000)
    await batch(controller, relay, { sessions: { [relay]: 'first' }, agents: [] })
    expect(await isOnline(controller, id)).toBe(true)
    await batch(controller, relay, { sessions: { [relay]: 'second' }, agents: [] })
    clock.pass(90_000)
    await poll(controller, relay)
    expect(await isOnline(controller, id)).toBe(false)
  })

  it('may be a relay itself, which heads the path of its own registration and stays where it is held', async () => {
    const { controller, clock, relay, id } = await below()
    await using _ = controller
    await register(controller, 'web-01', {}, { 'X-Relay-Path': `${id},${relay}` })
    clock.pass(3_600_000)
    await poll(controller, relay)
    expect(await agentOf(controller, id)).toMatchObject({ online: true, relay_id: relay })
    await register(controller, 'web-01', {}, { 'X-Relay-Path': id })
    expect(await agentOf(controller, id)).not.toHaveProperty('relay_id')
  })

  it('stays where it is held, whatever the relay that it left still has to say', async () => {
    const { controller, clock, id, tell } = await below()
    await using _ = controller
    await batch(controller, 'other', { sessions: { other: 'o' }, agents: [item(id, { connected: true, held_version: 5 })] })
    clock.pass(1000)
    // Its first relay notices only now that the connection is gone.
    await tell({ connected: false, age_ms: 0, held_version: 3 })
    expect(await agentOf(controller, id)).toMatchObject({ relay_id: 'other', held_version: 5 })
    await batch(controller, 'other', { sessions: { other: 'o' }, agents: [item(id, { connected: false, age_ms: 500 })] })
    await tell({ connected: false, age_ms: 600, held_version: 3 })
    expect((await agentOf(controller, id)).relay_id).toBe('other')
  })

  it('is placed below the nearest relay that passed its registration on', async () => {
    const { controller } = await below()
    await using _ = controller
    const id = await register(controller, 'web-02', {}, { 'X-Relay-Path': 'near, far' })
    expect((await agentOf(controller, id)).relay_id).toBe('near')
  })

  it('follows a chain of relays: one that is offline takes all below it along', async () => {
    const { controller, clock, relay: top } = await below()
    await using _ = controller
    const [middle, low] = ['middle', 'low']
    const down = { connected: true, age_ms: 3_600_000 }
    await batch(controller, top, {
      sessions: { [top]: 'first', [middle]: 'm' },
      agents: [
        item(middle, { ...down, registration: registration('middle') }),
        item(low, { ...down, relay_id: middle, registration: registration('low') }),
        item('leaf', { ...down, relay_id: low, registration: registration('leaf') }),
      ],
    })
    expect(await idsOf(controller, 'online=false')).toEqual([])
    // The session came together with the first word of where its relay is: naming it again ends nothing.
    await batch(controller, top, { sessions: { [middle]: 'm' }, agents: [] })
    clock.pass(3_600_000)
    await poll(controller, top)
    expect(await idsOf(controller, 'online=false')).toEqual([])
    await batch(controller, top, { sessions: { [middle]: 'later' }, agents: [] })
    clock.pass(90_000)
    await poll(controller, top)
    expect((await idsOf(controller, 'online=false')).sort()).toEqual(['leaf', 'low'])
    expect(await isOnline(controller, middle)).toBe(true)
  })

  it('may sit in a circle of relays that say they hold each other, and nobody hangs', async () => {
    const { controller, clock } = await below()
    await using _ = controller
    await batch(controller, 'a', {
      agents: [
        item('a', { connected: true, relay_id: 'b', registration: registration('a') }),
        item('b', { connected: true, relay_id: 'a', registration: registration('b') }),
        item('self', { connected: true, relay_id: 'self', registration: registration('self') }),
      ],
    })
    expect(await isOnline(controller, 'a')).toBe(true)
    expect(await agentOf(controller, 'self')).not.toHaveProperty('relay_id')
    clock.pass(90_000)
    expect((await idsOf(controller, 'online=false')).filter((id) => id.length < 5).sort()).toEqual(['a', 'b', 'self'])
  })
})
