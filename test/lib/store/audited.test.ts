import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { systemClock } from '#lib/runtime/clock.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { type Store, type StoredKey, StoreUnavailableError } from '#lib/store/port.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { someone } from '#test/_support/actor.ts'
import { TempFolder } from '#test/_support/temp.ts'

const open = (path: string) => openSqliteStore({ path, migrations: migrationsFolder(), clock: systemClock })
const key = (id: string): StoredKey => ({
  id,
  name: id,
  role: 'agent',
  prefix: 'dcm_',
  digest: `digest of ${id}`,
  created_at: '2026-11-26T09:00:00.000Z',
  expires_at: null,
  last_used_at: null,
})
const idempotency = { key: 'k', fingerprint: 'f' }

/** All that a store holds. */
const all = async (store: Store) => ({
  history: await store.history({ limit: 100, data: true }),
  first: await store.publishedWith(someone.key_id, idempotency),
  schema: await store.schema(),
  keys: await store.keys(),
  agents: await store.agents(),
  audit: await store.audit({ limit: 100 }),
})

/** Lets every write to one table fail, as a full disk would. */
function sabotage(path: string, table: string): () => void {
  const db = new Database(path)
  for (const verb of ['INSERT', 'UPDATE', 'DELETE']) db.exec(`CREATE TRIGGER no_${verb} BEFORE ${verb} ON ${table} BEGIN SELECT RAISE(ABORT, 'sabotage'); END`)
  return () => {
    for (const verb of ['INSERT', 'UPDATE', 'DELETE']) db.exec(`DROP TRIGGER no_${verb}`)
    db.close()
  }
}

/** Every change that is audited, with the table that it is made in. */
const changes: readonly [action: string, table: string, change: (store: Store) => Promise<unknown>][] = [
  ['publish', 'config_versions', (store) => store.publish({ data: { n: 2 }, poll_interval_seconds: 30, idempotency }, someone)],
  ['publish', 'publish_keys', (store) => store.publish({ data: { n: 2 }, poll_interval_seconds: 30, idempotency }, someone)],
  ['rollback', 'config_versions', (store) => store.publish({ data: { n: 1 }, poll_interval_seconds: 30, rollback_of: 1 }, someone)],
  ['schema_set', 'config_schemas', (store) => store.setSchema({ type: 'object' }, { revision: 1, latest: 1 }, someone, 'why')],
  ['schema_deleted', 'config_schemas', (store) => store.setSchema(undefined, { revision: 1, latest: 1 }, someone, undefined)],
  ['key_made', 'api_keys', (store) => store.addKey(key('new'), someone)],
  ['key_revoked', 'api_keys', (store) => store.revokeKey('old', someone)],
  ['agent_deleted', 'registered_agents', (store) => store.deleteAgent('a', someone)],
]

describe.each(changes)('the change %s (of %s)', (action, table, change) => {
  /** A store in which each change has something to change. */
  async function prepared(folder: TempFolder): Promise<Store> {
    const store = open(folder.file('c.db'))
    await store.publish({ data: { n: 1 }, poll_interval_seconds: 30 }, someone)
    await store.setSchema({}, { revision: 0, latest: 1 }, someone, undefined)
    await store.addKey(key('old'), someone)
    await store.registerAgent({ agent_id: 'a', hostname: 'h', ip_address: 'i', port: 1 })
    return store
  }

  it.each(['audit_entries', table])('is stored with its entry or not at all: nothing of it is there where %s cannot be written', async (broken) => {
    using folder = new TempFolder()
    await using store = await prepared(folder)
    const before = await all(store)
    const repair = sabotage(folder.file('c.db'), broken)
    await expect(change(store)).rejects.toThrow(StoreUnavailableError)
    // Not a turn later either.
    await store.checkWritable()
    expect(await all(store)).toEqual(before)
    repair()
    await change(store)
    const { audit } = await all(store)
    expect([audit.entries[0]?.action, audit.entries.length, audit.head.seq]).toEqual([action, before.audit.entries.length + 1, before.audit.head.seq + 1])
  })
})
