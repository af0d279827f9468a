import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RelayTreeSchema } from '#lib/contract/fleet-picture.ts'
import { nobodyBelow, relayTree } from '#services/controller/fleet/relay-tree.ts'
import { dataOf } from '#test/_support/controller.ts'
import { batch, item, register, report, withHeldClock } from './fleet-calls.ts'

describe('GET /status/relays', () => {
  it('shows each relay after the one that it follows, with all that is below it', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    await controller.publish()
    const [top, other, direct] = [await register(controller, 'top'), await register(controller, 'other'), await register(controller, 'web-0')]
    for (const id of [top, direct]) await report(controller, id, 1)
    const registration = (hostname: string) => ({ hostname, ip_address: '10.0.0.1', port: 1 })
    const applied = { version: 1, state: 'applied' as const }
    await batch(controller, top, {
      agents: [
        item('under', { registration: registration('under'), report: applied }),
        item('deep-1', { registration: registration('deep-1'), relay_id: 'under', report: applied }),
        item('deep-2', { registration: registration('deep-2'), relay_id: 'under', report: { version: 1, state: 'failed', error: 'no' } }),
      ],
    })
    await batch(controller, other, { agents: [item('lone', { registration: registration('lone') })] })
    clock.pass(250)
    const { direct: own, relays, more } = await dataOf(await controller.request('/status/relays'), 200, RelayTreeSchema.strict())
    expect(more).toBe(0)
    expect(own).toMatchObject({ applied: 2, registered: 1 })
    expect(relays.map(({ hostname, depth, relay_id, online }) => [hostname, depth, relay_id, online])).toEqual([
      ['other', 0, undefined, true],
      ['top', 0, undefined, true],
      ['under', 1, top, true],
    ])
    expect(relays[1]).toMatchObject({ direct: { applied: 1 }, below: { applied: 2, failed: 1 } })
    expect(relays[2]).toMatchObject({ direct: { applied: 1, failed: 1 }, below: { applied: 1, failed: 1 } })
    const { attention } = await controller.deps.fleet.picture()
    expect(attention).toMatchObject({ failed_total: 1, offline_total: 0, failed: [{ agent_id: 'deep-2', error: 'no' }] })
  })

  it('ends and counts each agent once, whatever agents say of whom they follow', () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'unknown')
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.option(id, { nil: undefined })), (follows) => {
        const byRelay = new Map<string | undefined, ReturnType<typeof nobodyBelow>>()
        for (const relay of Object.values(follows)) {
          const below = byRelay.get(relay) ?? nobodyBelow()
          below.applied++
          byRelay.set(relay, below)
        }
        const { direct, relays } = relayTree(byRelay, (one) =>
          Object.hasOwn(follows, one) ? { hostname: one, online: true, relayId: follows[one] } : undefined,
        )
        const ids = relays.map(({ agent_id }) => agent_id)
        expect(new Set(ids).size).toBe(ids.length)
        expect(ids.length).toBe([...byRelay.keys()].filter((one) => one !== undefined).length)
        const all = direct.applied + relays.reduce((sum, one) => sum + one.direct.applied, 0)
        expect(all).toBe(Object.keys(follows).length)
        for (const [at, { depth }] of relays.entries()) expect(depth).toBeLessThanOrEqual((relays[at - 1]?.depth ?? -1) + 1)
        const tops = relays.filter(({ depth }) => depth === 0)
        expect(tops.reduce((sum, one) => sum + one.below.applied, 0)).toBe(relays.reduce((sum, one) => sum + one.direct.applied, 0))
      }),
      { numRuns: 500 },
    )
  })

  it('takes a chain without end', () => {
    const byRelay = new Map(Array.from({ length: 20_000 }, (_, n) => [`relay-${n}`, nobodyBelow()] as const))
    const { relays, more } = relayTree(byRelay, (id) => ({ hostname: id, online: true, relayId: `relay-${Number(id.slice(6)) + 1}` }))
    expect([relays.length, more]).toEqual([500, 19_500])
  })

  it('is bounded', () => {
    const byRelay = new Map(Array.from({ length: 700 }, (_, n) => [`relay-${n}`, nobodyBelow()] as const))
    const { relays, more } = relayTree(byRelay, () => undefined)
    expect([relays.length, more]).toEqual([500, 200])
  })
})
