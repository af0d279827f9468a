import { describe, expect, test } from 'vitest'
import type { BatchedAgent } from '#lib/contract/fleet.ts'
import { latencyBoundsMs, MAX_OUTCOME_VERSIONS } from '#lib/contract/outcome.ts'
import { Roster } from '#services/agent/relay/roster.ts'
import { admin, noDrop } from '#test/_support/callers.ts'

const HOUR = 3_600_000
const registration = { hostname: 'a', ip_address: '10.0.0.1', port: 1 }
const item = (agent_id: string, more: Partial<BatchedAgent> = {}): BatchedAgent => ({
  agent_id,
  held_version: 1,
  via: 'stream',
  age_ms: 0,
  connected: true,
  registration,
  ...more,
})

function opened(maxFollowers?: number) {
  const clock = { at: 0, monotonic: () => clock.at, uuid: () => 'its-own' }
  const woken = { times: 0 }
  const onNews = () => void woken.times++
  const served: { latest: number | null } = { latest: 1 }
  const latest = () => served.latest
  const roster = new Roster({
    ownId: 'M',
    intervalMs: () => 30_000,
    latest,
    ownsAgents: () => false,
    onNews,
    clock,
    ...(maxFollowers === undefined ? {} : { maxFollowers }),
  })
  const take = (maxAgents = 1000) => roster.take({ maxAgents, maxBytes: 1_000_000 })
  const attach = (agentId: string) => roster.attach({ agentId, heldVersion: 1, via: 'stream', caller: admin }, noDrop())
  return { clock, served, roster, take, attach, woken }
}

test('a batch keeps to its size, however much its agents say of hits; a report takes back what the one before said of them', () => {
  const { roster } = opened()
  const most = Number.MAX_SAFE_INTEGER
  const hits = Array.from({ length: MAX_OUTCOME_VERSIONS }, (_, i) => ({
    version: most - i,
    completed: most,
    failed: most,
    by_error_class: { timeout: most },
    latency: Array.from({ length: latencyBoundsMs.length + 1 }, () => most),
  }))
  const ids = Array.from({ length: 1000 }, (_, i) => `agent-${i}`)
  roster.batch('R', { agents: ids.map((id) => item(id, { report: { version: 1, state: 'applied', hits } })) }, admin)
  const told: BatchedAgent[] = []
  while (told.length < ids.length) {
    const batch = roster.take({ maxAgents: 1000, maxBytes: 1024 * 1024 })
    expect(Buffer.byteLength(JSON.stringify(batch))).toBeLessThanOrEqual(1024 * 1024)
    expect(batch.agents.length).toBeGreaterThan(100)
    told.push(...batch.agents)
  }
  expect(told.map(({ agent_id }) => agent_id)).toEqual(ids)
  for (const { report } of told) expect(report?.hits).toEqual(hits)
  roster.batch('R', { agents: [item('agent-0', { report: { version: 1, state: 'applied' } })] }, admin)
  expect(roster.take({ maxAgents: 1000, maxBytes: 1024 * 1024 }).agents.map(({ report }) => report)).toEqual([{ version: 1, state: 'applied' }])
})

test('a batch speaks for the relays that are connected below and told of, not for one that has moved away', () => {
  const { clock, roster, take, attach } = opened()
  roster.register('R', registration, null)
  const leave = attach('R')
  roster.batch('R', { sessions: { R: 'r1' }, agents: [item('A')] }, admin)
  expect(take()).toMatchObject({ sessions: { M: 'its-own', R: 'r1' }, agents: [{ agent_id: 'R' }, { agent_id: 'A', relay_id: 'R' }] })
  leave()
  clock.at += 2001
  roster.settle()
  const { sessions, agents } = take()
  expect(sessions).toEqual({ M: 'its-own' })
  expect(agents).toMatchObject([{ agent_id: 'R', connected: false }])
  roster.register('B', registration, null)
  expect(take().sessions).toEqual({ M: 'its-own' })
  attach('R')
  expect(take().sessions).toEqual({ M: 'its-own', R: 'r1' })
  // Of R itself the controller hears with the second batch only.
  const later = opened()
  later.roster.register('B', registration, null)
  later.attach('R')
  later.roster.batch('R', { sessions: { R: 'r1' }, agents: [] }, admin)
  const told = [later.take(1), later.take(1)].map(({ sessions, agents }) => ({ sessions, ids: agents.map(({ agent_id }) => agent_id) }))
  expect(told).toEqual([
    { sessions: { M: 'its-own' }, ids: ['B'] },
    { sessions: { M: 'its-own', R: 'r1' }, ids: ['R'] },
  ])
})

test('a registration that was not kept above is news again after ten seconds, not before', () => {
  const { clock, roster, take } = opened()
  roster.register('A', registration, null)
  roster.report('A', { version: 1, state: 'applied' }, admin)
  for (let n = 0; n < 3; n++) {
    const [agent] = take().agents
    if (agent) roster.unknown(agent)
    expect(agent).toMatchObject({ agent_id: 'A', registration, report: { version: 1, state: 'applied' } })
    clock.at += 9999
    roster.settle()
    expect(roster.figures.unsent).toBe(0)
    expect(roster.dueInMs()).toBe(1)
    clock.at += 1
    roster.settle()
    expect(roster.figures.unsent).toBe(1)
  }
})

test('a full relay says so: a registration is refused, and in a batch the agent is unknown', () => {
  const { roster } = opened(1)
  roster.register('A', registration, null)
  expect(() => roster.register('B', registration, null)).toThrow(expect.objectContaining({ code: 'OVERLOADED', headers: { 'Retry-After': '60' } }))
  roster.register('A', { ...registration, port: 2 }, null)
  expect(roster.batch('R', { agents: [item('A'), item('C')] }, admin)).toEqual({ accepted: 1, unknown: ['C'] })
})

test('each connected agent is told of again about once an hour, spread over it, and no other is', () => {
  const { clock, roster, take, attach } = opened()
  const ids = Array.from({ length: 120 }, (_, n) => `agent-${n}`)
  for (const id of ids) attach(id)
  roster.register('silent', registration, null)
  roster.batch('R', { agents: [item('below')] }, admin)
  expect(take().agents).toHaveLength(122)
  const told: string[] = []
  for (let minute = 1; minute < 120; minute++) {
    clock.at += 60_000
    roster.settle()
    const { agents } = take()
    expect(agents.length).toBeLessThanOrEqual(minute < 60 ? 0 : 3)
    told.push(...agents.map(({ agent_id }) => agent_id))
  }
  expect(clock.at).toBeLessThan(2 * HOUR)
  expect(told.toSorted()).toEqual(ids.toSorted())
})

test('ends of long polls wake once, and are looked at in their order', () => {
  const { clock, roster, take, attach, woken } = opened()
  const [first, second] = [attach('A'), attach('B')]
  take()
  woken.times = 0
  first()
  clock.at += 500
  second()
  expect(woken.times).toBe(1)
  expect(roster.dueInMs()).toBe(1500)
  clock.at += 1500
  roster.settle()
  expect(take().agents).toMatchObject([{ agent_id: 'A', connected: false }])
  expect(roster.dueInMs()).toBe(500)
})

describe('a plain read', () => {
  const read = (roster: Roster, agentId: string, heldVersion = 1) => roster.seen({ agentId, heldVersion, via: 'poll', caller: admin })

  test('beside a held connection does not say that the agent follows by polling; once none is held it does', () => {
    const { clock, roster, take, attach } = opened()
    roster.register('A', registration, null)
    const leave = attach('A')
    expect(take().agents).toMatchObject([{ via: 'stream', connected: true }])
    read(roster, 'A')
    expect(roster.figures.unsent).toBe(0)
    // What it holds is news all the same.
    read(roster, 'A', 2)
    expect(take().agents).toMatchObject([{ via: 'stream', connected: true, held_version: 2 }])
    leave()
    // A stream that is opened anew is preceded by one.
    read(roster, 'A', 2)
    clock.at += 2001
    roster.settle()
    expect(take().agents).toMatchObject([{ via: 'stream', connected: false }])
    read(roster, 'A', 2)
    expect(take().agents).toMatchObject([{ via: 'poll', connected: false }])
  })

  test('in the name of an agent whose connection a relay below holds does not move it; its registration here does', () => {
    const { roster, take } = opened()
    roster.batch('R', { agents: [item('A')] }, admin)
    take()
    read(roster, 'A', 2)
    expect(take().agents).toMatchObject([{ agent_id: 'A', relay_id: 'R', via: 'stream', connected: true, held_version: 2 }])
    roster.register('A', registration, null)
    read(roster, 'A', 2)
    const [agent] = take().agents
    expect(agent).toMatchObject({ agent_id: 'A', via: 'poll', connected: false })
    expect(agent).not.toHaveProperty('relay_id')
  })
})

test('an agent that goes over to a relay below is connected there, though it has just left here', () => {
  const { clock, roster, take, attach } = opened()
  roster.register('A', registration, null)
  const leave = attach('A')
  take()
  leave()
  clock.at += 500
  roster.batch('R', { agents: [item('A')] }, admin)
  clock.at += 2000
  roster.settle()
  expect(take().agents).toMatchObject([{ agent_id: 'A', relay_id: 'R', connected: true }])
})

test('a late report takes back no newer version, unless the relay itself went back with its controller', () => {
  const { served, roster, take } = opened()
  served.latest = 9
  roster.register('A', registration, null)
  const told = (version: number) => {
    roster.report('A', { version, state: 'applied' }, admin)
    return take().agents.map(({ held_version, report }) => [held_version, report?.version])
  }
  expect(told(7)).toEqual([[7, 7]])
  expect(told(6)).toEqual([[7, 6]])
  expect(told(8)).toEqual([[8, 8]])
  served.latest = 3
  expect(told(3)).toEqual([[3, 3]])
})
