import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Agent } from '#lib/contract/inventory.ts'
import { ConfigFeed } from '#lib/distribution/feed.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { Fleet } from '#services/controller/fleet/fleet.ts'
import { someone } from '#test/_support/actor.ts'
import { admin } from '#test/_support/callers.ts'
import { errorOf, TestController } from '#test/_support/controller.ts'
import { batch, forgetfulStore, idsOf, item, pageOf, register, report, withHeldClock } from './fleet-calls.ts'
import { HeldClock } from './held-clock.ts'

/** What each order goes by, rising, of an agent as it is shown. */
const keys: Readonly<Record<string, (agent: Agent) => string | number>> = {
  hostname: ({ hostname }) => hostname.toLowerCase(),
  version: ({ applied_version }) => applied_version ?? -1,
  state: ({ state }) => ['registered', 'pending', 'applying', 'applied', 'failed'].indexOf(state),
  last_seen: ({ last_seen_at }) => last_seen_at,
  registered: ({ registered_at }) => registered_at,
}

describe('GET /agents?sort=', () => {
  it('gives each agent that is there throughout exactly once and in order, whoever comes and goes between the pages', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ name: fc.constantFrom('a', 'B', 'c', 'D'), made: fc.constantFrom(undefined, 'applying', 'applied', 'failed'), gap: fc.nat(3) }), {
          minLength: 1,
          maxLength: 20,
        }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(...Object.keys(keys).flatMap((key) => [key, `-${key}`])),
        fc.array(fc.nat(30), { maxLength: 6 }),
        async (agents, limit, sort, leaving) => {
          const clock = new HeldClock()
          const fleet = await Fleet.open({
            store: forgetfulStore(clock),
            feed: new ConfigFeed(undefined),
            clock,
            logger: silentLogger,
            ownsAgents: () => false,
          })
          const alive: string[] = []
          for (const [n, { name, made, gap }] of agents.entries()) {
            clock.pass(gap)
            const id = `${(n * 7) % 10}-${n}`
            await fleet.register(id, { hostname: name, ip_address: 'i', port: 1 }, [], null)
            if (made) await fleet.report(id, { version: 1 + (n % 3), state: made }, admin)
            alive.push(id)
          }
          const throughout = new Set(alive)
          const walked: Agent[] = []
          const rest = [...leaving]
          let cursor: string | undefined
          do {
            const page = await fleet.page({ limit, sort: sort as 'hostname', ...(cursor === undefined ? {} : { cursor }), count: 'true' })
            expect(page.agents.length).toBeLessThanOrEqual(limit)
            expect(page.total).toBe(alive.length)
            walked.push(...page.agents)
            cursor = page.next_cursor
            const which = rest.shift()
            if (which !== undefined && alive.length > 0) {
              const [gone = ''] = alive.splice(which % alive.length, 1)
              await fleet.remove(gone, someone)
              throughout.delete(gone)
            }
          } while (cursor !== undefined)
          await fleet.close()
          const ids = walked.map(({ agent_id }) => agent_id)
          expect(new Set(ids).size).toBe(ids.length)
          expect(ids).toEqual(expect.arrayContaining([...throughout]))
          const key = keys[sort.replace('-', '')] ?? (() => 0)
          const order = walked.map(key)
          const rising = sort.startsWith('-') ? order.reverse() : order
          for (const [at, value] of rising.entries()) if (at > 0) expect((rising[at - 1] ?? '') <= value).toBe(true)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('refuses a cursor of another order, and one that is none', async () => {
    await using controller = await TestController.open()
    for (const name of ['a', 'b']) await register(controller, name)
    const { next_cursor: cursor = '' } = await pageOf(controller, 'sort=hostname&limit=1')
    expect(cursor).not.toBe('')
    for (const query of [
      `sort=-hostname&cursor=${cursor}`,
      `sort=version&cursor=${cursor}`,
      `cursor=${cursor}`,
      'sort=state&cursor=bm90IGEgcGxhY2U',
      'sort=state&cursor=WzFd',
    ])
      expect((await errorOf(await controller.request(`/agents?${query}`), 400, 'INVALID_REQUEST')).error.details?.[0]?.path).toBe('query.cursor')
  })

  it('finds by a part of hostname, id or address, by relay, and says how many', async () => {
    const { controller } = await withHeldClock()
    await using _ = controller
    const relay = await register(controller, 'relay-1')
    const [one, two] = [await register(controller, 'WEB-01', { ip_address: '10.0.0.71' }), await register(controller, 'db-01')]
    await batch(controller, relay, { agents: [item('below', { registration: { hostname: 'web-02', ip_address: '10.9.9.9', port: 1 } })] })
    expect(await idsOf(controller, 'q=web-&sort=hostname')).toEqual([one, 'below'])
    expect(await idsOf(controller, 'q=10.0.0.71')).toEqual([one])
    expect(await idsOf(controller, `q=${two.slice(0, 8).toUpperCase()}`)).toEqual([two])
    expect(await idsOf(controller, `relay=${relay}`)).toEqual(['below'])
    expect((await pageOf(controller, 'q=01&count=true&limit=1')).total).toBe(2)
    expect(await pageOf(controller, 'q=nobody&count=true')).toEqual({ agents: [], total: 0 })
    await errorOf(await controller.request('/agents?q='), 400, 'INVALID_REQUEST')
    await errorOf(await controller.request('/agents?sort=hostnames'), 400, 'INVALID_REQUEST')
  })

  it('puts those that failed last, or first', async () => {
    const { controller } = await withHeldClock()
    await using _ = controller
    await controller.publish()
    const [a, b, c] = [await register(controller, 'a'), await register(controller, 'b'), await register(controller, 'c')]
    await report(controller, a, 1, 'failed', 'no')
    await report(controller, b, 1)
    expect(await idsOf(controller, 'sort=state')).toEqual([c, b, a])
    expect(await idsOf(controller, 'sort=-state')).toEqual([a, b, c])
  })
})
