import { describe, expect, it } from 'vitest'
import { RelaySessions } from '#services/controller/fleet/relay-sessions.ts'
import { errorOf, TestController } from '#test/_support/controller.ts'
import { agentOf, batch, item, poll, register, withHeldClock } from './fleet-calls.ts'

describe('the sessions of relays', () => {
  it('are kept of a thousand that are not registered, and those of the one named longest ago are over', () => {
    const known = new Set(['known'])
    const sessions = new RelaySessions((id) => known.has(id))
    const kept = sessions.current('known', 1)
    const first = sessions.current('first', 1)
    const registered = sessions.current('registered', 1)
    known.add('registered')
    for (let i = 0; i < 5000; i++) sessions.current(`stranger-${i}`, 2)
    expect(sessions.size).toBe(1002)
    expect([kept.endedAt, first.endedAt, registered.endedAt]).toEqual([undefined, 2, undefined])
    expect(sessions.current('registered', 3)).toBe(registered)
    // One that is deleted is a stranger again.
    known.delete('known')
    sessions.forget('known', 3)
    for (let i = 0; i < 1000; i++) sessions.current(`later-${i}`, 4)
    expect(kept.endedAt).toBe(4)
  })

  it('are the same objects where they are named again', () => {
    const sessions = new RelaySessions(() => true)
    const session = sessions.at('relay', 's1')
    sessions.enter('relay', 's1', 1)
    expect(sessions.current('relay', 1)).toBe(session)
    sessions.enter('relay', 's2', 2)
    expect([session.endedAt, sessions.current('relay', 2).id]).toEqual([2, 's2'])
  })
})

describe('the session of a relay that was deleted', () => {
  it('is over once a thousand others that are not registered were named', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const relay = await register(controller, 'relay')
    const id = await register(controller, 'web-01')
    await batch(controller, relay, { sessions: { [relay]: 's' }, agents: [item(id, { connected: true })] })
    await controller.request(`/agents/${relay}`, { method: 'DELETE' })
    const other = await register(controller, 'other')
    const strangers = Array.from({ length: 1000 }, (_, i) => item(other, { connected: true, relay_id: `stranger-${i}` }))
    await batch(controller, relay, { agents: strangers })
    await register(controller, 'relay')
    clock.pass(90_000)
    await poll(controller, relay)
    expect((await agentOf(controller, id)).online).toBe(false)
  })
})

describe('a batch', () => {
  it('names the sessions of at most a thousand relays', async () => {
    await using controller = await TestController.open()
    const sessions = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`relay-${i}`, 's']))
    const relay = await register(controller, 'relay')
    expect(await batch(controller, relay, { sessions: sessions(1000), agents: [] })).toEqual({ accepted: 0, unknown: [] })
    const headers = { 'X-Agent-Id': relay }
    const error = await errorOf(
      await controller.request('/agents/reports', { body: { sessions: sessions(1001), agents: [] }, headers }),
      400,
      'INVALID_REQUEST',
    )
    expect(error.error.details).toEqual([{ path: 'sessions', message: expect.stringContaining('at most 1000') }])
  })

  it.each(['x'.repeat(65), 'ä'])('comes from a relay by an id of 1 to 64 printable characters, not %s', async (id) => {
    await using controller = await TestController.open()
    for (const [headers, agents, path] of [
      [{ 'X-Agent-Id': id }, [], 'header.x-agent-id'],
      [{}, [item(id)], 'agents[0].agent_id'],
    ] as const) {
      const error = await errorOf(await controller.request('/agents/reports', { body: { agents }, headers }), 400, 'INVALID_REQUEST')
      expect(error.error.details?.[0]).toMatchObject({ path, message: expect.stringContaining('1 to 64 printable') })
    }
  })
})
