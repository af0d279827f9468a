import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '#lib/store/port.ts'
import { errorOf, TestController } from '#test/_support/controller.ts'
import { agentOf, batch, counting, item, pageOf, poll, register, report, statusOf, withHeldClock } from './fleet-calls.ts'

const registration = (hostname: string) => ({ hostname, ip_address: '10.0.0.7', port: 8081 })

describe('POST /agents/:id/report', () => {
  it('moves an agent from pending through applying to applied, and to failed with the reason', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const id = await register(controller, 'web-01')
    const steps: [() => Promise<unknown>, object][] = [
      [() => controller.publish(), { state: 'registered', desired_version: 1, held_version: null, applied_version: null }],
      [() => report(controller, id, 1, 'applying'), { state: 'applying', held_version: 1, applied_version: null }],
      [() => report(controller, id, 1, 'applied'), { state: 'applied', held_version: 1, applied_version: 1 }],
      [() => controller.publish(), { state: 'pending', desired_version: 2, held_version: 1, applied_version: 1 }],
      [() => report(controller, id, 2, 'failed', 'the worker says no'), { state: 'failed', error: 'the worker says no', held_version: 2, applied_version: 1 }],
      [() => controller.publish(), { state: 'pending', desired_version: 3 }],
      [() => report(controller, id, 3, 'applied'), { state: 'applied', held_version: 3, applied_version: 3 }],
    ]
    for (const [step, expected] of steps) {
      await step()
      expect(await agentOf(controller, id)).toMatchObject(expected)
      if (!('error' in expected)) expect(await agentOf(controller, id)).not.toHaveProperty('error')
    }
    clock.pass(1)
  })

  it('takes the newest that was received, in whatever order they were made', async () => {
    await using controller = await TestController.open()
    for (let i = 0; i < 3; i++) await controller.publish()
    const id = await register(controller, 'web-01')
    await report(controller, id, 3, 'applied')
    await report(controller, id, 2, 'failed', 'late')
    // A late report does not take back what is held.
    expect(await agentOf(controller, id)).toMatchObject({ state: 'pending', held_version: 3, applied_version: 3 })
    await report(controller, id, 3, 'applied')
    expect(await agentOf(controller, id)).toMatchObject({ state: 'applied', applied_version: 3 })
  })

  it('follows an agent back where the controller was restored from a backup', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const id = await register(controller, 'web-01')
    await report(controller, id, 7, 'applied')
    expect(await agentOf(controller, id)).toMatchObject({ state: 'pending', desired_version: 1, held_version: 7, applied_version: 7 })
    await report(controller, id, 1, 'applied')
    expect(await agentOf(controller, id)).toMatchObject({ state: 'applied', held_version: 1, applied_version: 1 })
  })

  it('sends an agent that is not known back to register, and takes its report then', async () => {
    await using controller = await TestController.open()
    const id = await register(controller, 'web-01')
    await controller.request(`/agents/${id}`, { method: 'DELETE' })
    const error = await errorOf(await controller.request(`/agents/${id}/report`, { body: { version: 1, state: 'applied' } }), 404, 'NOT_FOUND')
    expect(error.message).toMatch(/POST \/register/)
    await register(controller, 'web-01')
    await report(controller, id, 1)
  })

  it('refuses an unknown state, a version below 1 and a reason that is too long', async () => {
    await using controller = await TestController.open()
    const id = await register(controller, 'web-01')
    const error = await errorOf(
      await controller.request(`/agents/${id}/report`, { body: { version: 0, state: 'done', error: 'x'.repeat(1001) } }),
      400,
      'INVALID_REQUEST',
    )
    expect(error.error.details?.map(({ path }) => path)).toEqual(['version', 'state', 'error'])
    expect(await agentOf(controller, id)).toMatchObject({ state: 'registered' })
  })
})

describe('POST /agents/reports', () => {
  it('takes what it can, and names those that are not known', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const relay = await register(controller, 'relay')
    const id = await register(controller, 'web-01')
    const outcome = await batch(controller, relay, {
      agents: [
        item(id, { held_version: 1, via: 'wait', report: { version: 1, state: 'applied' } }),
        item('nobody', { report: { version: 1, state: 'applied' } }),
        item('new', { registration: { ...registration('new'), labels: { zone: 'eu' } }, report: { version: 1, state: 'failed', error: 'no' } }),
        item('idle', { via: null, registration: registration('idle') }),
      ],
    })
    expect(outcome).toEqual({ accepted: 3, unknown: ['nobody'] })
    expect(await agentOf(controller, id)).toMatchObject({ state: 'applied', via: 'wait', held_version: 1, applied_version: 1, relay_id: relay })
    expect(await agentOf(controller, 'new')).toMatchObject({ state: 'failed', error: 'no', labels: { zone: 'eu' }, relay_id: relay, online: true })
    expect(await agentOf(controller, 'idle')).toMatchObject({ state: 'registered', via: null })
  })

  it('loses no report where some registrations cannot be stored: those are named, to be sent again', async () => {
    await using first = await TestController.open()
    let full = false
    const store = {
      ...first.deps.store,
      registerAgent: async (agent: Parameters<typeof first.deps.store.registerAgent>[0]) => {
        if (full) throw new StoreUnavailableError('the database refused: disk is full (SQLITE_FULL)')
        return first.deps.store.registerAgent(agent)
      },
      [Symbol.asyncDispose]: async () => {},
    }
    await using controller = await TestController.open({ overrides: { store } })
    const [id, moved] = [await register(controller, 'web-01'), await register(controller, 'moved')]
    full = true
    const again = { agent_id: moved, registration: { ...registration('moved'), labels: { zone: 'new' } } }
    const agents = [
      item(id, { registration: registration('web-01'), report: { version: 1, state: 'applied' } }),
      item('new', { registration: registration('new'), report: { version: 1, state: 'applied' } }),
      item(moved, { ...again, report: { version: 1, state: 'applied' } }),
    ]
    expect(await batch(controller, 'relay', { agents })).toEqual({ accepted: 1, unknown: ['new', moved] })
    expect(await agentOf(controller, id)).toMatchObject({ applied_version: 1 })
    expect(await agentOf(controller, moved)).toMatchObject({ applied_version: 1, labels: {} })
    // An agent that says nothing new registers all the same: it goes on working.
    expect(await register(controller, 'web-01')).toBe(id)
    full = false
    expect(await batch(controller, 'relay', { agents })).toEqual({ accepted: 3, unknown: [] })
    expect(await agentOf(controller, moved)).toMatchObject({ labels: { zone: 'new' } })
  })

  it('takes a thousand at once, new ones too, and each once', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const agents = Array.from({ length: 1000 }, (_, i) => item(`a-${i}`, { registration: registration(`web-${i}`), report: { version: 1, state: 'applied' } }))
    expect(await batch(controller, 'relay', { agents: [...agents.slice(1), item('a-7', { registration: registration('web-7') })] })).toEqual({
      accepted: 1000,
      unknown: [],
    })
    expect((await statusOf(controller)).agents).toMatchObject({ total: 999, by_state: { applied: 999 } })
    expect((await pageOf(controller, 'limit=1000&state=applied')).agents).toHaveLength(999)
  })
})

describe('POST /register of one that is known', () => {
  it('does not touch the database where it says nothing new, in whatever order its labels come', async () => {
    await using first = await TestController.open()
    const { store, writes } = counting({ ...first.deps.store, [Symbol.asyncDispose]: async () => {} })
    await using controller = await TestController.open({ overrides: { store } })
    const more = { labels: { a: '1', b: '2' }, agent_version: '1', instance_id: '9a1f6c0e-5d0f-4f5b-8a51-7b1f2f0a9c55' }
    await register(controller, 'web-01', more)
    for (let i = 0; i < 10; i++) await register(controller, 'web-01', { ...more, labels: { b: '2', a: '1' } })
    await poll(controller, 'nobody')
    expect(writes.registrations).toBe(1)
    for (const news of [{ labels: { a: '1' } }, { labels: { a: '1', b: '3' } }, { agent_version: '2' }, { port: 1 }]) {
      const before = writes.registrations
      await register(controller, 'web-01', { ...more, ...news })
      expect(writes.registrations).toBe(before + 1)
    }
  })
})
