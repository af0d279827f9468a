import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Agent, AgentDeletedSchema } from '#lib/contract/inventory.ts'
import { ConfigFeed } from '#lib/distribution/feed.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { createControllerClient } from '#services/controller/client.ts'
import { Fleet } from '#services/controller/fleet/fleet.ts'
import { someone } from '#test/_support/actor.ts'
import { admin } from '#test/_support/callers.ts'
import { dataOf, errorOf, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { readEvents } from '#test/_support/events.ts'
import { agentOf, forgetfulStore, idsOf, item, poll, register, report, withHeldClock } from './fleet-calls.ts'
import { HeldClock } from './held-clock.ts'

describe('GET /agents/:id', () => {
  it('shows what an agent said of itself, and what is known of it', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const id = await register(controller, 'web-01', { labels: { zone: 'eu-1' }, agent_version: '1.2.3' })
    expect(await agentOf(controller, id)).toEqual({
      agent_id: id,
      hostname: 'web-01',
      ip_address: '10.0.0.7',
      port: 8081,
      labels: { zone: 'eu-1' },
      agent_version: '1.2.3',
      online: true,
      via: null,
      desired_version: null,
      held_version: null,
      applied_version: null,
      state: 'registered',
      registered_at: '2026-11-24T09:00:00.000Z',
      last_seen_at: '2026-11-24T09:00:00.000Z',
      owner: null,
      hits: [],
    })
    await controller.publish()
    clock.pass(5000)
    await poll(controller, id, 1)
    await report(controller, id, 1, 'failed', 'no such key')
    expect(await agentOf(controller, id)).toMatchObject({
      via: 'poll',
      desired_version: 1,
      held_version: 1,
      applied_version: null,
      state: 'failed',
      error: 'no such key',
      registered_at: '2026-11-24T09:00:00.000Z',
      last_seen_at: '2026-11-24T09:00:05.000Z',
    })
  })

  it('shows the newest registration, and keeps the time of the first', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const id = await register(controller, 'web-01', { labels: { zone: 'eu-1', rack: '7' } })
    clock.pass(1000)
    await register(controller, 'web-01', { labels: { zone: 'us-1' } })
    expect(await agentOf(controller, id)).toMatchObject({ labels: { zone: 'us-1' }, registered_at: '2026-11-24T09:00:00.000Z' })
    expect((await agentOf(controller, id)).labels).not.toHaveProperty('rack')
  })
})

describe('GET /agents', () => {
  it('filters by state, version, label and whether online, and by all of them together', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    await controller.publish()
    await controller.publish()
    const silent = await register(controller, 'silent', { labels: { zone: 'eu:1' } })
    clock.pass(90_000)
    const fresh = await register(controller, 'fresh', { labels: { zone: 'eu:1' } })
    const behind = await register(controller, 'behind', { labels: { zone: 'us' } })
    const done = await register(controller, 'done', { labels: { zone: 'us', role: '' } })
    const broken = await register(controller, 'broken')
    await report(controller, behind, 1, 'applied')
    await report(controller, done, 2, 'applied')
    await report(controller, broken, 1, 'applied')
    await report(controller, broken, 2, 'failed', 'why')

    expect(await idsOf(controller, '')).toEqual([silent, ...(await idsOf(controller, 'online=true'))])
    const found = async (query: string) => (await idsOf(controller, query)).sort()
    expect(await found('state=registered')).toEqual([silent, fresh].sort())
    expect(await found('state=pending')).toEqual([behind])
    expect(await found('state=applied')).toEqual([done])
    expect(await found('state=failed')).toEqual([broken])
    expect(await found('state=applying')).toEqual([])
    expect(await found('version=1')).toEqual([behind, broken].sort())
    expect(await found('version=2')).toEqual([done])
    expect(await found('online=false')).toEqual([silent])
    expect(await found('label=zone:eu:1')).toEqual([silent, fresh].sort())
    expect(await found('label=zone:us')).toEqual([behind, done].sort())
    expect(await found('label=role:')).toEqual([done])
    expect(await found('label=constructor:x')).toEqual([])
    expect(await found('label=zone:eu:1&online=true&state=registered')).toEqual([fresh])
    expect(await found('version=1&state=failed')).toEqual([broken])
    expect(await found('version=1&state=applied')).toEqual([])
  })

  it('pages in the order of registration: whoever is there throughout comes exactly once, whoever comes and goes', async () => {
    const happening = fc.record({ joins: fc.boolean(), gap: fc.nat(2), leaves: fc.boolean(), which: fc.nat(30) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(2), { minLength: 1, maxLength: 25 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(happening, { maxLength: 20 }),
        fc.boolean(),
        async (gaps, limit, happenings, onlyOdd) => {
          const clock = new HeldClock()
          const fleet = await Fleet.open({
            store: forgetfulStore(clock),
            feed: new ConfigFeed(undefined),
            clock,
            logger: silentLogger,
            ownsAgents: () => false,
          })
          // Ids in another order than the registrations, so that those of one millisecond are told apart by them.
          const idOf = (n: number) => `${(n * 7) % 10}-${n}`
          const alive: string[] = []
          const join = async (n: number, gap: number) => {
            clock.pass(gap)
            await fleet.register(idOf(n), { hostname: `web-${n}`, ip_address: 'i', port: 1, labels: { odd: String(n % 2) } }, [], null)
            alive.push(idOf(n))
          }
          for (const [n, gap] of gaps.entries()) await join(n, gap)
          const throughout = new Set(alive)
          const walked: Agent[] = []
          const rest = [...happenings]
          let cursor: string | undefined
          do {
            const query = { limit, ...(onlyOdd ? { label: 'odd:1' } : {}), ...(cursor === undefined ? {} : { cursor }) }
            const { agents, next_cursor } = await fleet.page(query)
            expect(agents.length).toBeLessThanOrEqual(limit)
            if (next_cursor !== undefined) expect(agents.length).toBe(limit)
            walked.push(...agents)
            cursor = next_cursor
            const { joins, gap, leaves, which } = rest.shift() ?? { joins: false, gap: 0, leaves: false, which: 0 }
            if (joins) await join(gaps.length + rest.length, gap)
            if (leaves) {
              const [gone] = alive.splice(which % alive.length, 1)
              if (gone !== undefined) await fleet.remove(gone, someone)
              throughout.delete(gone ?? '')
            }
          } while (cursor !== undefined)
          await fleet.close()
          const ids = walked.map(({ agent_id }) => agent_id)
          expect(new Set(ids).size).toBe(ids.length)
          expect(ids).toEqual(expect.arrayContaining([...throughout].filter((id) => !onlyOdd || fleet.agent(id)?.labels.odd === '1')))
          const order = walked.map(({ registered_at, agent_id }) => `${registered_at} ${agent_id}`)
          expect(order).toEqual([...order].sort())
        },
      ),
      { numRuns: 200 },
    )
  })

  it('has the same order after a restart, for those who registered within one millisecond too', async () => {
    const { controller } = await withHeldClock()
    await using _ = controller
    for (let i = 0; i < 20; i++) await register(controller, `web-${i}`)
    const before = await idsOf(controller, '')
    expect(before).toEqual([...before].sort())
    await controller.deps.fleet.close()
    await using again = await TestController.open({ overrides: { store: { ...controller.deps.store, [Symbol.asyncDispose]: async () => {} } } })
    expect(await idsOf(again, '')).toEqual(before)
  })

  it.each(['1', 'bm90IGEgcGxhY2U', 'MTphYg==', 'OmFi', 'MTo'])('refuses the cursor %s, and says where one comes from', async (cursor) => {
    await using controller = await TestController.open()
    const error = await errorOf(await controller.request(`/agents?cursor=${cursor}`), 400, 'INVALID_REQUEST')
    expect(error.error.details).toEqual([{ path: 'query.cursor', message: expect.stringContaining('next_cursor') }])
  })

  it('lets the event loop turn while it looks through many', async () => {
    /** Each look at it takes 5 ms. */
    class Slow extends HeldClock {
      override monotonic(): number {
        this.pass(5)
        return super.monotonic()
      }
    }
    const agents = Array.from({ length: 2000 }, (_, i) => item(`agent-${i}`, { registration: { hostname: `web-${i}`, ip_address: 'i', port: 1 } }))
    await using controller = await TestController.open({ overrides: { clock: new Slow() } })
    const { fleet } = controller.deps
    for (const start of [0, 1000]) await fleet.batch('relay', { agents: agents.slice(start, start + 1000) }, admin)
    let turns = 0
    let over = false
    const count = () => {
      turns++
      if (!over) setImmediate(count)
    }
    setImmediate(count)
    expect((await fleet.page({ state: 'failed' })).agents).toEqual([])
    // 2000 agents by 256: seven turns in between.
    expect(turns).toBeGreaterThanOrEqual(6)
    turns = 0
    expect((await fleet.status()).agents.total).toBe(2000)
    expect(turns).toBeGreaterThanOrEqual(6)
    // Those that go meanwhile move nobody out of sight.
    const shown = fleet.page({ limit: 1000 })
    const first = (await fleet.page({ limit: 10 })).agents
    for (const { agent_id } of first) await fleet.remove(agent_id, someone)
    const ids = (await shown).agents.map(({ agent_id }) => agent_id)
    const rest = (await fleet.page({ limit: 990 })).agents.map(({ agent_id }) => agent_id)
    expect(ids).toEqual([...first.map(({ agent_id }) => agent_id), ...rest])
    over = true
  })
})

describe('DELETE /agents/:id', () => {
  it('forgets the agent, in memory and on the disk', async () => {
    await using controller = await TestController.open()
    const [kept, gone] = [await register(controller, 'kept'), await register(controller, 'gone')]
    await report(controller, gone, 1)
    expect(await dataOf(await controller.request(`/agents/${gone}`, { method: 'DELETE' }), 200, AgentDeletedSchema)).toEqual({ agent_id: gone, deleted: true })
    for (const request of [{}, { method: 'DELETE' }]) {
      expect((await errorOf(await controller.request(`/agents/${gone}`, request), 404, 'NOT_FOUND')).message).toContain(gone)
    }
    await errorOf(await controller.request(`/agents/${gone}/report`, { body: { version: 1, state: 'applied' } }), 404, 'NOT_FOUND')
    expect(await idsOf(controller, '')).toEqual([kept])
    // What was about to be saved of it does not bring it back.
    await controller.deps.fleet.close()
    expect((await controller.deps.store.agents()).map(({ agent }) => agent.agent_id)).toEqual([kept])
  })

  it('ends its streams, and what it registers then is whole again', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const id = await register(controller, 'web-01')
    const server = await controller.listen()
    const stream = async (agentId: string) => readEvents(await server.fetch('/config/stream', { headers: { 'X-Agent-Id': agentId, 'Last-Event-ID': '1' } }))
    const other = await stream(await register(controller, 'web-02'))
    const events = await stream(id)
    const waiting = server.fetch('/config?wait=30', { headers: { 'X-Agent-Id': id, 'If-None-Match': '"1"' } })
    await expect.poll(() => controller.deps.feed.hub.watchers).toBe(3)
    await controller.request(`/agents/${id}`, { method: 'DELETE' })
    for await (const event of events) expect(event).not.toHaveProperty('event')
    await expect.poll(() => controller.deps.streams.open).toBe(1)
    // Its long poll is told why, and when to come back: a follower registers first.
    const told = await waiting
    expect(told.headers.get('Retry-After')).toBe('1')
    expect((await errorOf(told, 503, 'NOT_READY')).error.message).toMatch(/this agent was deleted; register again/)
    expect(await register(controller, 'web-01')).toBe(id)
    expect(await agentOf(controller, id)).toMatchObject({ online: true, via: null, held_version: null, state: 'registered' })
    await other.return(undefined)
  })

  it('ends a long poll that waits for the first config, too', async () => {
    await using controller = await TestController.open()
    const id = await register(controller, 'web-01')
    const waiting = poll(controller, id, 0, '?wait=30')
    await expect.poll(() => controller.deps.feed.hub.watchers).toBe(1)
    await controller.request(`/agents/${id}`, { method: 'DELETE' })
    expect((await errorOf(await waiting, 503, 'NOT_READY')).error.message).toMatch(/register again/)
    expect(controller.deps.feed.hub.watchers).toBe(0)
  })

  it('counts a stream that was opened before the registration', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const id = await register(controller, 'web-01')
    await controller.request(`/agents/${id}`, { method: 'DELETE' })
    const early = await controller.request('/config/stream', { headers: { 'X-Agent-Id': id, 'Last-Event-ID': '0' } })
    await register(controller, 'web-01')
    clock.pass(3_600_000)
    expect(await agentOf(controller, id)).toMatchObject({ online: true, via: 'stream' })
    await early.body?.cancel()
    expect(await agentOf(controller, id)).toMatchObject({ online: true })
    clock.pass(90_000)
    expect(await agentOf(controller, id)).toMatchObject({ online: false })

    // It is counted once, and is nothing to the next one of that name.
    await controller.request(`/agents/${id}`, { method: 'DELETE' })
    const passing = await controller.request('/config/stream', { headers: { 'X-Agent-Id': id } })
    await passing.body?.cancel()
    await register(controller, 'web-01')
    expect(await agentOf(controller, id)).toMatchObject({ online: true, via: null })
    clock.pass(90_000)
    expect(await agentOf(controller, id)).toMatchObject({ online: false })
  })
})

describe('the RPC client', () => {
  it('lists, reads and deletes agents with types', async () => {
    await using controller = await TestController.open()
    const id = await register(controller, 'web-01')
    const local: typeof fetch = async (input, init) => controller.app.request(input instanceof Request ? input : String(input), init)
    const client = createControllerClient('http://localhost', { apiKey: TEST_KEY, fetch: local })
    const list = await client.agents.$get({ query: { online: 'true', limit: '1' } })
    if (list.status !== 200) throw new Error('no list')
    expect((await list.json()).data.agents[0]?.hostname satisfies string | undefined).toBe('web-01')
    const status = await client.status.$get()
    if (status.status !== 200) throw new Error('no status')
    expect((await status.json()).data.agents.total satisfies number).toBe(1)
    expect((await client.agents[':id'].$delete({ param: { id } })).status).toBe(200)
    expect((await client.agents[':id'].$get({ param: { id } })).status).toBe(404)
  })
})
