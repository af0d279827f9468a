import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { describe, expect, it } from 'vitest'
import { systemClock } from '#lib/runtime/clock.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import type { AgentState } from '#lib/store/port.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { someone } from '#test/_support/actor.ts'
import { TempFolder } from '#test/_support/temp.ts'

const open = (path: string) => openSqliteStore({ path, migrations: migrationsFolder(), clock: systemClock })
const agent = (id: string) => ({ agent_id: id, hostname: 'h', ip_address: '10.0.0.1', port: 8081, labels: { zone: 'eu' } })
const full = (id: string): AgentState => ({
  agent_id: id,
  via: 'stream',
  held_version: 7,
  applied_version: 6,
  report: { version: 7, state: 'failed', error: 'why' },
  relay_id: 'r',
  relay_session: 's',
  last_seen_at: 1_800_000_000_000,
})
const empty = (id: string): AgentState => ({
  agent_id: id,
  via: null,
  held_version: null,
  applied_version: null,
  report: null,
  relay_id: null,
  relay_session: null,
  last_seen_at: 0,
})

describe('the states of agents in the SQLite store', () => {
  it('are kept as they were saved last, over a restart too', async () => {
    using folder = new TempFolder()
    const first = open(folder.file('c.db'))
    const registered = [await first.registerAgent(agent('a')), await first.registerAgent(agent('b')), await first.registerAgent(agent('c'))]
    await first.saveAgentStates([full('a'), full('b')])
    await first.saveAgentStates([empty('a'), { ...full('b'), report: { version: 8, state: 'applied' } }])
    await first[Symbol.asyncDispose]()
    await using second = open(folder.file('c.db'))
    const all = new Map((await second.agents()).map((entry) => [entry.agent.agent_id, entry]))
    expect([...all.values()].map((entry) => entry.agent)).toEqual(expect.arrayContaining(registered))
    expect(all.get('a')?.state).toEqual(empty('a'))
    expect(all.get('b')?.state).toEqual({ ...full('b'), report: { version: 8, state: 'applied' } })
    expect(all.get('c')).toEqual({ agent: registered[2], state: undefined })
  })

  it('are left out for an agent that is not there, and the others are saved', async () => {
    using folder = new TempFolder()
    await using store = open(folder.file('c.db'))
    await store.registerAgent(agent('a'))
    await store.saveAgentStates([full('gone'), full('a'), full('never')])
    expect((await store.agents()).map(({ state }) => state?.agent_id)).toEqual(['a'])
  })

  it('go with their agent, and do not come back with it', async () => {
    using folder = new TempFolder()
    await using store = open(folder.file('c.db'))
    await store.registerAgent(agent('a'))
    await store.saveAgentStates([full('a')])
    // Saved and deleted in the same turn: whichever is first, nothing of it is left.
    const outcomes = await Promise.all([store.saveAgentStates([full('a')]), store.deleteAgent('a', someone), store.saveAgentStates([full('a')])])
    expect(outcomes[1]).toMatchObject({ seq: 1 })
    expect([await store.deleteAgent('a', someone), await store.agents()]).toEqual([undefined, []])
    await store.registerAgent(agent('a'))
    expect((await store.agents()).map(({ state }) => state)).toEqual([undefined])
  })

  it('find their place in a database of the release before, which keeps what it had', async () => {
    using folder = new TempFolder()
    const old = folder.file('migrations')
    mkdirSync(join(old, 'meta'), { recursive: true })
    const journal: { entries: { tag: string }[] } = JSON.parse(readFileSync(join(migrationsFolder(), 'meta', '_journal.json'), 'utf8'))
    const [init] = journal.entries
    if (init === undefined) throw new Error('there is no migration')
    writeFileSync(join(old, 'meta', '_journal.json'), JSON.stringify({ ...journal, entries: [init] }))
    cpSync(join(migrationsFolder(), `${init.tag}.sql`), join(old, `${init.tag}.sql`))
    expect(readdirSync(old).sort()).toEqual([`${init.tag}.sql`, 'meta'])
    const before = new Database(folder.file('c.db'))
    migrate(drizzle({ client: before }), { migrationsFolder: old })
    before.exec("INSERT INTO registered_agents VALUES ('a', NULL, 'h', 'i', 1, '{}', NULL, 't', 't')")
    before.exec("INSERT INTO config_versions (version, id, data, poll_interval_seconds, created_at) VALUES (1, 'x', '{}', 30, 't')")
    before.close()
    await using after = open(folder.file('c.db'))
    const kept = { agent_id: 'a', hostname: 'h', ip_address: 'i', port: 1, labels: {}, owner: null, registered_at: 't', updated_at: 't' }
    expect(await after.agents()).toEqual([{ agent: kept, state: undefined }])
    expect(await after.latest()).toMatchObject({ version: 1, id: 'x' })
    await after.saveAgentStates([full('a')])
    expect((await after.agents())[0]?.state).toEqual(full('a'))
  })
})
