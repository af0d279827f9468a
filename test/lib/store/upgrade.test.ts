import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { AUDIT_START } from '#lib/contract/audit.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { someone } from '#test/_support/actor.ts'
import { TempFolder } from '#test/_support/temp.ts'

const JournalSchema = z.looseObject({ entries: z.array(z.looseObject({ tag: z.string() })) })

/** The migrations as a release had them that knew only so many. */
function migrationsOf(folder: TempFolder, count: number): string {
  const old = folder.file('migrations')
  mkdirSync(join(old, 'meta'), { recursive: true })
  const journal = JournalSchema.parse(JSON.parse(readFileSync(join(migrationsFolder(), 'meta', '_journal.json'), 'utf8')))
  const entries = journal.entries.slice(0, count)
  writeFileSync(join(old, 'meta', '_journal.json'), JSON.stringify({ ...journal, entries }))
  for (const { tag } of entries) cpSync(join(migrationsFolder(), `${tag}.sql`), join(old, `${tag}.sql`))
  return old
}

it('a database of the release before safe publishing keeps all it had, and goes on from there', async () => {
  using folder = new TempFolder()
  const before = new Database(folder.file('c.db'))
  before.pragma('journal_mode = WAL')
  migrate(drizzle({ client: before }), { migrationsFolder: migrationsOf(folder, 2) })
  const publish = before.prepare(
    'INSERT INTO config_versions (version, id, data, poll_interval_seconds, comment, author, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  for (let n = 1; n <= 300; n++)
    publish.run(n, `id ${n}`, `{"n": ${n}, "text":"ü€😀"}`, n, n % 2 ? `why ${n}` : null, n % 3 ? 'ops' : null, '2026-01-01T00:00:00.000Z')
  before.exec("INSERT INTO registered_agents VALUES ('a', 'i', 'h', 'ip', 1, '{\"zone\":\"eu\"}', '1.0', 't', 'u')")
  before.exec("INSERT INTO agent_states (agent_id, via, held_version, applied_version, last_seen_at) VALUES ('a', 'stream', 300, 299, 5)")
  before.close()

  await using after = openSqliteStore({ path: folder.file('c.db'), migrations: migrationsFolder(), clock: systemClock })
  const { entries, more } = await after.history({ limit: 300, data: true })
  expect(more).toBe(false)
  expect(entries).toEqual(
    Array.from({ length: 300 }, (_, i) => 300 - i).map((n) => ({
      id: `id ${n}`,
      version: n,
      poll_interval_seconds: n,
      created_at: '2026-01-01T00:00:00.000Z',
      author: n % 3 ? 'ops' : null,
      published_by: null,
      comment: n % 2 ? `why ${n}` : null,
      rollback_of: null,
      bytes: Buffer.byteLength(`{"n": ${n}, "text":"ü€😀"}`),
      data: { n, text: 'ü€😀' },
    })),
  )
  const [agent] = await after.agents()
  expect(agent).toMatchObject({
    agent: { agent_id: 'a', instance_id: 'i', labels: { zone: 'eu' }, owner: null },
    state: { held_version: 300, applied_version: 299 },
  })
  // It has had no audit, no schema and no keys: they begin here.
  expect([await after.audit({ limit: 10 }), await after.schema(), await after.keys()]).toEqual([
    { entries: [], head: { seq: 0, hash: AUDIT_START }, written: 0 },
    { revision: 0, stored: undefined },
    [],
  ])
  const { config } = await after.publish({ data: { n: 301 }, poll_interval_seconds: 30 }, someone)
  expect([config.version, (await after.audit({ limit: 10 })).entries[0]]).toMatchObject([301, { seq: 1, version_before: 300, version_after: 301 }])
})
