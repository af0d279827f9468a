import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Timeline, TimelineSchema } from '#lib/contract/fleet-picture.ts'
import { AgentHistorySchema } from '#lib/contract/inventory.ts'
import { ConvergenceTimeline, type Made } from '#services/controller/fleet/timeline.ts'
import { dataOf, TestController } from '#test/_support/controller.ts'
import { register, report, statusOf, withHeldClock } from './fleet-calls.ts'
import { HeldClock } from './held-clock.ts'

const timelineOf = async (controller: TestController): Promise<Timeline> => dataOf(await controller.request('/status/timeline'), 200, TimelineSchema.strict())
const historyOf = async (controller: TestController, id: string) =>
  (await dataOf(await controller.request(`/agents/${id}/history`), 200, AgentHistorySchema.strict())).reports

/** Three agents that report, counted once. */
async function three() {
  const { controller, clock } = await withHeldClock()
  await controller.publish()
  const ids = [await register(controller, 'a'), await register(controller, 'b'), await register(controller, 'c')] as const
  for (const id of ids) await report(controller, id, 1)
  clock.pass(250)
  await statusOf(controller)
  return { controller, clock, ids }
}

describe('GET /status/timeline', () => {
  it('tells each report since the publish, and how long it took to how many', async () => {
    const { controller, clock, ids } = await three()
    await using _ = controller
    clock.pass(1000)
    await controller.publish()
    const { published_at } = await timelineOf(controller)
    expect(published_at).toBe(new Date(clock.now()).toISOString())
    for (const [at, [id, state]] of (
      [
        [ids[0], 'applied'],
        [ids[1], 'applying'],
        [ids[1], 'applied'],
        [ids[2], 'failed'],
      ] as const
    ).entries()) {
      clock.pass(10 * (at + 1))
      await report(controller, id, 2, state, state === 'failed' ? 'no' : undefined)
    }
    const none = { applied: 0, failed: 0, applying: 0, pending: 0, offline: 0 }
    expect((await timelineOf(controller)).points).toEqual([
      { ms: 0, ...none, pending: 3 },
      { ms: 10, ...none, applied: 1, pending: 2 },
      { ms: 30, ...none, applied: 1, applying: 1, pending: 1 },
      { ms: 60, ...none, applied: 2, pending: 1 },
      { ms: 100, ...none, applied: 2, failed: 1 },
    ])
    expect((await statusOf(controller)).last_publish?.propagation_ms).toEqual({ count: 2, p50: 10, p95: 60, p99: 60, max: 60 })
    // A late report on another version, and the same again, say nothing of this one.
    await report(controller, ids[0], 1, 'failed', 'late')
    await report(controller, ids[2], 2, 'failed', 'no')
    expect((await timelineOf(controller)).points.length).toBe(5)
  })

  it('is the same after a restart, as far as it was saved', async () => {
    const { controller, clock, ids } = await three()
    await using _ = controller
    clock.pass(1000)
    await controller.publish()
    clock.pass(20)
    await report(controller, ids[0], 2)
    clock.pass(20)
    await report(controller, ids[1], 2, 'failed', 'no')
    const before = await timelineOf(controller)
    const { propagation_ms } = (await statusOf(controller)).last_publish ?? {}
    await controller.deps.fleet.close()
    clock.pass(5000)
    await using again = await TestController.open({ overrides: { clock, store: { ...controller.deps.store, [Symbol.asyncDispose]: async () => {} } } })
    expect(await timelineOf(again)).toEqual(before)
    expect((await statusOf(again)).last_publish?.propagation_ms).toEqual(propagation_ms)
  })

  it('counts who is offline when the fleet is looked at', async () => {
    const { controller, clock, ids } = await three()
    await using _ = controller
    await controller.publish()
    clock.pass(89_000)
    for (const id of ids.slice(0, 2)) await report(controller, id, 2)
    clock.pass(2000)
    await statusOf(controller)
    expect((await timelineOf(controller)).points.at(-1)).toEqual({ ms: 91_000, applied: 2, failed: 0, applying: 0, pending: 0, offline: 1 })
  })

  it('says null before the first publish', async () => {
    await using controller = await TestController.open()
    expect(await timelineOf(controller)).toEqual({ version: null, published_at: null, points: [] })
    expect((await statusOf(controller)).last_publish).toBeNull()
  })

  it('keeps few points however many reports there are over a day, in order, and the last of them whole', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(60_000), fc.constantFrom<Made>('applied', 'failed', 'applying', 'pending')), { minLength: 1, maxLength: 3000 }),
        (moves) => {
          const clock = new HeldClock()
          const timeline = new ConvergenceTimeline(clock)
          timeline.counted(null, { applied: 0, failed: 0, applying: 0, pending: moves.length, offline: 0 })
          timeline.begin(1, 0)
          const wanted = { applied: 0, failed: 0, applying: 0, pending: moves.length, offline: 0 }
          for (const [gap, made] of moves) {
            clock.pass(gap)
            timeline.moved(1, 'pending', made)
            wanted.pending--
            wanted[made]++
          }
          const { points } = timeline.shown
          expect(points.length).toBeLessThanOrEqual(260)
          expect(points.at(-1)).toMatchObject(wanted)
          expect(points[0]?.ms).toBe(0)
          for (const [at, { ms }] of points.entries()) if (at > 0) expect(ms).toBeGreaterThan(points[at - 1]?.ms ?? 0)
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('GET /agents/:id/history', () => {
  it('has the last report on each version, saved or not, the newest version first', async () => {
    const { controller, clock, ids } = await three()
    await using _ = controller
    const [id] = ids
    const at = () => new Date(clock.now()).toISOString()
    await controller.publish()
    clock.pass(100)
    await report(controller, id, 2, 'failed', '<b>no</b>')
    const first = at()
    expect((await historyOf(controller, id)).map(({ version, state }) => [version, state])).toEqual([
      [2, 'failed'],
      [1, 'applied'],
    ])
    await controller.deps.fleet.close()
    clock.pass(100)
    await using again = await TestController.open({ overrides: { clock, store: { ...controller.deps.store, [Symbol.asyncDispose]: async () => {} } } })
    expect((await historyOf(again, id))[0]).toEqual({ version: 2, state: 'failed', error: '<b>no</b>', at: first })
    await report(again, id, 2)
    expect((await historyOf(again, id))[0]).toEqual({ version: 2, state: 'applied', at: at() })
    expect((await historyOf(again, ids[2])).map(({ version }) => version)).toEqual([1])
  })

  it('reaches back fifty versions, and what is older goes from the disk', async () => {
    const { controller } = await withHeldClock()
    await using _ = controller
    const ids = [await register(controller, 'a'), await register(controller, 'b')] as const
    for (let version = 1; version <= 70; version++) {
      await controller.publish()
      for (const id of ids) await report(controller, id, version)
    }
    expect((await historyOf(controller, ids[0])).map(({ version }) => version)).toEqual(Array.from({ length: 50 }, (_, n) => 70 - n))
    await controller.deps.fleet.close()
    const { store } = controller.deps
    expect((await store.reportsOn(20)).length).toBe(0)
    expect((await store.reportsOn(21)).length).toBe(2)
  })

  it('goes with its agent', async () => {
    const { controller, ids } = await three()
    await using _ = controller
    await controller.deps.fleet.close()
    await controller.request(`/agents/${ids[0]}`, { method: 'DELETE' })
    expect(await controller.deps.store.agentReports(ids[0])).toEqual([])
    expect((await controller.deps.store.agentReports(ids[1])).length).toBe(1)
  })
})
