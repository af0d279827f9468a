import { describe, expect, it } from 'vitest'
import { type HitOutcome, latencyBoundsMs, latencyClass } from '#lib/contract/outcome.ts'
import { Fleet } from '#services/controller/fleet/fleet.ts'
import { admin } from '#test/_support/callers.ts'
import { TestController } from '#test/_support/controller.ts'
import { batch, counting, item, register, statusOf, withHeldClock } from './fleet-calls.ts'

/** What became of hits of a version that took so long, in ms; the others failed by timeouts. */
function outcome(version: number, completed: readonly number[], timeouts = 0): HitOutcome {
  const latency = Array.from({ length: latencyBoundsMs.length + 1 }, () => 0)
  for (const ms of [...completed, ...Array.from({ length: timeouts }, () => 30_000)]) latency[latencyClass(ms)] = (latency[latencyClass(ms)] ?? 0) + 1
  return { version, completed: completed.length, failed: timeouts, by_error_class: timeouts > 0 ? { timeout: timeouts } : {}, latency }
}

const tell = async (controller: TestController, id: string, hits?: readonly HitOutcome[]) => {
  const answer = await controller.request(`/agents/${id}/report`, { body: { version: 2, state: 'applied', hits } })
  expect(answer.status, await answer.text()).toBe(200)
}

/** The hits of `/status`, counted anew. */
async function fleetOf(...names: readonly string[]) {
  const { controller, clock } = await withHeldClock()
  const ids = await Promise.all(names.map((name) => register(controller, name)))
  const hits = async () => {
    clock.pass(250)
    return (await statusOf(controller)).hits
  }
  return { controller, clock, hits, id: (i: number) => ids[i] ?? '' }
}

describe('the hits of GET /status', () => {
  it('are those of all agents by version, newest first', async () => {
    const { controller, hits, id } = await fleetOf('a', 'b', 'c', 'old')
    await using _ = controller
    await tell(controller, id(0), [outcome(2, [4, 8], 2), outcome(1, [1])])
    await tell(controller, id(1), [outcome(2, [4])])
    await tell(controller, id(2), [outcome(1, [60], 1)])
    // One of before hits were told of.
    await tell(controller, id(3))
    expect(await hits()).toEqual([
      {
        version: 2,
        completed: 3,
        failed: 2,
        success_ratio: 0.6,
        by_error_class: { timeout: 2 },
        latency_ms: { count: 5, p50: 10, p95: 30_000, p99: 30_000 },
        agents: 2,
      },
      {
        version: 1,
        completed: 2,
        failed: 1,
        success_ratio: 2 / 3,
        by_error_class: { timeout: 1 },
        latency_ms: { count: 3, p50: 70, p95: 30_000, p99: 30_000 },
        agents: 2,
      },
    ])
  })

  it('are what each agent said last: a report without any takes them back', async () => {
    const { controller, hits, id } = await fleetOf('a', 'b')
    await using _ = controller
    for (const i of [0, 1]) await tell(controller, id(i), [outcome(2, [4])])
    await tell(controller, id(0), [outcome(2, [4, 4, 4])])
    expect(await hits()).toMatchObject([{ version: 2, completed: 4, agents: 2 }])
    await tell(controller, id(0), [])
    expect(await hits()).toMatchObject([{ version: 2, completed: 1, agents: 1 }])
    await tell(controller, id(1))
    expect(await hits()).toEqual([])
  })

  it('leave out agents that are offline or deleted, and do not bring back what those said', async () => {
    const { controller, clock, hits, id } = await fleetOf('a', 'b', 'c')
    await using _ = controller
    for (const i of [0, 1, 2]) await tell(controller, id(i), [outcome(2, [4])])
    await controller.request(`/agents/${id(2)}`, { method: 'DELETE' })
    expect(await hits()).toMatchObject([{ agents: 2 }])
    clock.pass(89_000)
    await tell(controller, id(1), [outcome(2, [4])])
    clock.pass(2000)
    expect(await hits()).toMatchObject([{ agents: 1 }])
    await register(controller, 'a')
    expect(await hits()).toMatchObject([{ agents: 1 }])
    await tell(controller, id(0), [outcome(2, [4])])
    expect(await hits()).toMatchObject([{ agents: 2 }])
  })

  it('name at most twenty versions, the newest', async () => {
    const { controller, hits, id } = await fleetOf(...Array.from({ length: 6 }, (_, i) => `web-${i}`))
    await using _ = controller
    for (let i = 0; i < 6; i++)
      await tell(
        controller,
        id(i),
        Array.from({ length: 5 }, (_, n) => outcome(5 * i + n + 1, [4])),
      )
    expect((await hits()).map(({ version }) => version)).toEqual(Array.from({ length: 20 }, (_, n) => 30 - n))
  })

  it('come through relays', async () => {
    const { controller, hits, id } = await fleetOf('relay', 'below', 'deeper')
    await using _ = controller
    const report = (hits: HitOutcome[]) => ({ report: { version: 2, state: 'applied' as const, hits } })
    await batch(controller, id(0), { agents: [item(id(1), report([outcome(2, [4])])), item(id(2), report([outcome(2, [], 1)]))] })
    expect(await hits()).toMatchObject([{ version: 2, completed: 1, failed: 1, success_ratio: 0.5, agents: 2 }])
    // News of where it is says nothing of hits.
    await batch(controller, id(0), { agents: [item(id(1))] })
    expect(await hits()).toMatchObject([{ agents: 2 }])
    await batch(controller, id(0), { agents: [item(id(1), report([]))] })
    expect(await hits()).toMatchObject([{ completed: 0, failed: 1, agents: 1 }])
  })

  it('touch no database, and are forgotten by a restart', async () => {
    await using controller = await TestController.open()
    const { feed, clock, logger } = controller.deps
    const { store, writes } = counting(controller.deps.store)
    const fleet = await Fleet.open({ store, feed, clock, logger, ownsAgents: () => false })
    for (const id of ['a', 'b']) await fleet.register(id, { hostname: id, ip_address: 'i', port: 1 }, [], null)
    const say = (hits: HitOutcome[]) => fleet.report('a', { version: 2, state: 'applied', hits }, admin)
    await say([outcome(2, [4])])
    await expect.poll(() => writes.states, { timeout: 10_000 }).toBe(1)
    for (let i = 0; i < 20; i++)
      await say([
        outcome(
          2,
          Array.from({ length: i }, () => 4),
        ),
      ])
    expect((await fleet.status()).hits).toMatchObject([{ completed: 19 }])
    // What changed of the other is saved, and of this one nothing.
    await fleet.report('b', { version: 2, state: 'applied' }, admin)
    await expect.poll(() => writes.states, { timeout: 10_000 }).toBe(2)
    await fleet.close()
    const again = await Fleet.open({ store, feed, clock, logger, ownsAgents: () => false })
    expect(again.agent('a')).toMatchObject({ applied_version: 2 })
    expect((await again.status()).hits).toEqual([])
    await again.close()
  })
})
