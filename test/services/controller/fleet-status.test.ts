import { afterEach, describe, expect, it, vi } from 'vitest'
import { HealthSchema } from '#lib/contract/health.ts'
import { dataOf } from '#test/_support/controller.ts'
import { batch, item, poll, register, report, statusOf, withHeldClock } from './fleet-calls.ts'

afterEach(() => void vi.useRealTimers())

/** A controller with a fleet of agents that poll; the status is counted anew at each look. */
async function fleetOf(...names: readonly string[]) {
  const { controller, clock } = await withHeldClock()
  const ids: string[] = []
  for (const name of names) ids.push(await register(controller, name))
  const status = async () => {
    clock.pass(250)
    return statusOf(controller)
  }
  return { controller, clock, status, id: (i: number) => ids[i] ?? '' }
}

describe('GET /status', () => {
  it('says that there is nothing yet', async () => {
    const { controller, status } = await fleetOf()
    await using _ = controller
    expect(await status()).toEqual({
      latest_version: null,
      agents: { total: 0, online: 0, reporting: 0, by_state: {}, by_version: {} },
      converged_ratio: null,
      slowest: [],
      last_publish: null,
      hits: [],
    })
  })

  it('counts who is online by state and version, and how many of those that report have applied the latest', async () => {
    const { controller, clock, status, id } = await fleetOf('offline', 'go', 'applied', 'pending', 'failed', 'follows')
    await using _ = controller
    for (const i of [0, 2, 3, 4]) await report(controller, id(i), 1)
    await controller.publish()
    await controller.publish()
    clock.pass(90_000)
    for (const i of [1, 3]) await register(controller, i === 1 ? 'go' : 'pending')
    await report(controller, id(2), 2)
    await report(controller, id(4), 2, 'failed', 'no')
    await poll(controller, id(5), 2)
    expect(await status()).toEqual({
      latest_version: 2,
      agents: {
        total: 6,
        online: 5,
        reporting: 4,
        by_state: { registered: 2, pending: 1, applied: 1, failed: 1, offline: 1 },
        by_version: { none: 2, 1: 2, 2: 1 },
      },
      // Of pending, applied, failed and the one that follows by its id; a Go agent does not report.
      converged_ratio: 0.25,
      slowest: [
        { agent_id: id(3), hostname: 'pending', state: 'pending', applied_version: 1 },
        { agent_id: id(4), hostname: 'failed', state: 'failed', applied_version: 1 },
        { agent_id: id(5), hostname: 'follows', state: 'registered', applied_version: null },
        { agent_id: id(2), hostname: 'applied', state: 'applied', applied_version: 2, took_ms: 90_000 },
      ],
      last_publish: {
        version: 2,
        at: '2026-11-24T09:00:00.000Z',
        propagation_ms: { count: 1, p50: 90_000, p95: 90_000, p99: 90_000, max: 90_000 },
      },
      hits: [],
    })
  })

  it('names the ten that took longest, longest first', async () => {
    const { controller, clock, status, id } = await fleetOf(...Array.from({ length: 14 }, (_, i) => `web-${i}`))
    await using _ = controller
    await controller.publish()
    const order = [3, 0, 7, 12, 1, 13, 2, 5, 4, 6, 11, 10, 9, 8]
    for (const i of order) {
      clock.pass(10)
      await report(controller, id(i), 1, 'applying')
      await report(controller, id(i), 1)
    }
    clock.pass(1000)
    // A worker that was restarted gets it again: that is not how long it took.
    await report(controller, id(3), 1, 'applying')
    await report(controller, id(3), 1)
    const { slowest } = await status()
    expect(slowest.map(({ agent_id, took_ms }) => [agent_id, took_ms])).toEqual(
      [8, 9, 10, 11, 6, 4, 5, 2, 13, 1].map((i) => [id(i), (order.indexOf(i) + 1) * 10]),
    )
  })

  it('is counted once for many who look, but never given after a publish or a deletion that it does not know of', async () => {
    const { controller, clock, status, id } = await fleetOf('web-01', 'web-02')
    await using _ = controller
    await controller.publish()
    await report(controller, id(0), 1)
    expect((await status()).converged_ratio).toBe(1)
    await poll(controller, id(1), 1)
    clock.pass(249)
    expect((await statusOf(controller)).converged_ratio).toBe(1)
    await controller.publish()
    expect(await statusOf(controller)).toMatchObject({ latest_version: 2, converged_ratio: 0, last_publish: { version: 2 } })
    await controller.request(`/agents/${id(1)}`, { method: 'DELETE' })
    expect((await statusOf(controller)).agents.total).toBe(1)
  })

  it('has its numbers in /health too', async () => {
    const { controller, id } = await fleetOf('web-01', 'web-02')
    await using _ = controller
    await controller.request(`/agents/${id(0)}`, { method: 'DELETE' })
    expect((await dataOf(await controller.request('/health'), 200, HealthSchema)).parts.agents).toEqual({ total: 1, online: 1 })
  })
})

describe('how long a publish took', () => {
  it('is from the publish to the last report that applied it, however late somebody looks', async () => {
    const { controller, clock, status, id } = await fleetOf('web-01', 'web-02', 'web-03')
    await using _ = controller
    for (const i of [0, 1, 2]) await poll(controller, id(i))
    await controller.publish()
    clock.pass(20)
    await report(controller, id(0), 1)
    await report(controller, id(1), 1, 'failed', 'not yet')
    clock.pass(300)
    expect((await status()).last_publish).not.toHaveProperty('converged_in_ms')
    await report(controller, id(1), 1)
    clock.pass(15)
    await report(controller, id(2), 1, 'applying')
    expect((await status()).last_publish).not.toHaveProperty('converged_in_ms')
    clock.pass(100)
    await report(controller, id(2), 1)
    clock.pass(5000)
    // Said again, and by a worker that was restarted: it had converged before.
    await report(controller, id(2), 1)
    // 20 + 300 + 250 (the first look) + 15 + 250 (the second) + 100.
    expect(await status()).toMatchObject({ converged_ratio: 1, last_publish: { version: 1, converged_in_ms: 935 } })
    await report(controller, id(0), 1, 'applying')
    await report(controller, id(0), 1)
    expect((await status()).last_publish).toMatchObject({ converged_in_ms: 935 })
    await controller.publish()
    expect((await status()).last_publish).toEqual({ version: 2, at: new Date(clock.wall - 250).toISOString() })
  })

  it('is found without anybody asking, and holds when agents come later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    const { controller, clock, status, id } = await fleetOf('web-01', 'web-02')
    await using _ = controller
    for (const i of [0, 1]) await poll(controller, id(i))
    await controller.publish()
    // Nothing to look for before anybody has applied it: what is left saves who was seen.
    await vi.advanceTimersByTimeAsync(1000)
    expect(vi.getTimerCount()).toBe(1)
    clock.pass(40)
    await report(controller, id(0), 1)
    await vi.advanceTimersByTimeAsync(3000)
    clock.pass(7)
    await report(controller, id(1), 1)
    clock.pass(10_000)
    await vi.advanceTimersByTimeAsync(1000)
    const late = await register(controller, 'late')
    await poll(controller, late)
    expect(await status()).toMatchObject({ converged_ratio: 2 / 3, last_publish: { converged_in_ms: 47 } })
    await vi.advanceTimersByTimeAsync(1000)
    expect(vi.getTimerCount()).toBe(1)
  })

  it('does not wait for one that was deleted', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    const { controller, clock, status, id } = await fleetOf('web-01', 'gone')
    await using _ = controller
    for (const i of [0, 1]) await poll(controller, id(i))
    await controller.publish()
    clock.pass(30)
    await report(controller, id(0), 1)
    await vi.advanceTimersByTimeAsync(1000)
    await controller.request(`/agents/${id(1)}`, { method: 'DELETE' })
    await vi.advanceTimersByTimeAsync(1000)
    await poll(controller, await register(controller, 'late'))
    expect((await status()).last_publish).toMatchObject({ converged_in_ms: 30 })
  })

  it('does not wait for one that went offline', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    const { controller, clock, status, id } = await fleetOf('web-01', 'silent')
    await using _ = controller
    for (const i of [0, 1]) await poll(controller, id(i))
    await controller.publish()
    clock.pass(30)
    await report(controller, id(0), 1)
    await vi.advanceTimersByTimeAsync(1000)
    clock.pass(89_000)
    await poll(controller, id(0), 1)
    await vi.advanceTimersByTimeAsync(1000)
    expect((await status()).last_publish).not.toHaveProperty('converged_in_ms')
    clock.pass(1000)
    await vi.advanceTimersByTimeAsync(1000)
    // A look at the fleet takes real turns of the event loop.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    await poll(controller, id(1), 0)
    expect((await status()).last_publish).toMatchObject({ converged_in_ms: 30 })
  })

  it('counts agents below relays', async () => {
    const { controller, clock, status } = await fleetOf()
    await using _ = controller
    await controller.publish()
    clock.pass(25)
    const registration = { hostname: 'h', ip_address: 'i', port: 1 }
    await batch(controller, 'relay', { agents: [item('a', { registration, report: { version: 1, state: 'applied' } })] })
    expect(await status()).toMatchObject({ converged_ratio: 1, last_publish: { converged_in_ms: 25 } })
  })
})
