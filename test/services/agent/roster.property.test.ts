import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BatchedAgent, Report } from '#lib/contract/fleet.ts'
import { Roster } from '#services/agent/relay/roster.ts'
import { admin, noDrop } from '#test/_support/callers.ts'

const registration = (agent: string, n = 0) => ({ hostname: `${agent}-${n}`, ip_address: '10.0.0.1', port: 1 })

/** A controller's view, made of batches alone: what the fleet would show. */
class View {
  readonly agents = new Map<string, { hostname: string | undefined; held: number | null; connected: boolean; report: Report | undefined }>()

  take(agents: readonly BatchedAgent[]): string[] {
    const unknown: string[] = []
    for (const { agent_id, held_version, connected, report, registration } of agents) {
      const known = this.agents.get(agent_id)
      if (!known && !registration) unknown.push(agent_id)
      else
        this.agents.set(agent_id, {
          hostname: registration?.hostname ?? known?.hostname,
          held: held_version,
          connected: connected === true,
          report: report ?? known?.report,
        })
    }
    return unknown
  }
}

const agent = fc.constantFrom('a', 'b', 'c')
const step = fc.oneof(
  fc.record({ do: fc.constant('register' as const), agent, n: fc.nat(2) }),
  fc.record({
    do: fc.constant('report' as const),
    agent,
    version: fc.integer({ min: 1, max: 4 }),
    state: fc.constantFrom('applied' as const, 'failed' as const),
  }),
  fc.record({ do: fc.constant('connect' as const), agent, version: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('leave' as const), agent }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 5000 }) }),
  // A batch is lost on its way, or taken; the controller may have been restored empty before.
  fc.record({ do: fc.constant('send' as const), lost: fc.boolean(), max: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('restore' as const) }),
)

test('whatever is lost and forgotten on the way, the controller ends with the newest state of each agent that registered', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = { at: 0, monotonic: () => clock.at, uuid: () => 'session' }
      const roster = new Roster({ ownId: 'relay', intervalMs: () => 30_000, latest: () => 4, ownsAgents: () => false, onNews: () => {}, clock })
      let view = new View()
      const truth = new Map<string, { hostname: string; held: number | null; report: Report | undefined; leave: (() => void)[] }>()
      const send = (lost: boolean, max: number) => {
        roster.settle()
        const { agents } = roster.take({ maxAgents: max, maxBytes: 1_000_000 })
        expect(agents.length).toBeLessThanOrEqual(max)
        if (lost) return roster.giveBack(agents)
        const unknown = new Set(view.take(agents))
        for (const one of agents) if (unknown.has(one.agent_id)) roster.unknown(one)
      }
      for (const one of steps) {
        if (one.do === 'wait') clock.at += one.ms
        else if (one.do === 'send') send(one.lost, one.max)
        else if (one.do === 'restore') {
          view = new View()
          roster.tellAll()
        } else if (one.do === 'register') {
          roster.register(one.agent, registration(one.agent, one.n), null)
          const known = truth.get(one.agent)
          truth.set(one.agent, { held: null, report: undefined, leave: [], ...known, hostname: registration(one.agent, one.n).hostname })
        } else {
          const known = truth.get(one.agent)
          // Only what registered here is looked at: an agent does nothing before.
          if (!known) continue
          if (one.do === 'report') {
            const report: Report = { version: one.version, state: one.state }
            expect(roster.report(one.agent, report, admin)).toBe(true)
            // A late one takes back nothing: none is beyond the latest here.
            Object.assign(known, { report, held: Math.max(one.version, known.held ?? 0) })
          } else if (one.do === 'connect') {
            known.leave.push(roster.attach({ agentId: one.agent, heldVersion: one.version, via: 'stream', caller: admin }, noDrop()))
            known.held = one.version
          } else known.leave.pop()?.()
        }
      }
      clock.at += 10_000
      for (let n = 0; n < 20; n++) send(false, 2)
      expect(roster.figures).toMatchObject({ unsent: 0, leaving: 0 })
      for (const [id, { hostname, held, report, leave }] of truth)
        expect(view.agents.get(id), id).toEqual({ hostname, held, connected: leave.length > 0, report })
    }),
    { numRuns: 400 },
  )
})
