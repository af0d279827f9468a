import { existsSync, readdirSync, readFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { systemClock } from '#lib/runtime/clock.ts'
import { StartError } from '#lib/runtime/env.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { importGoDatabase } from '#lib/store/sqlite/import-go.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { someone } from '#test/_support/actor.ts'
import { TempFolder } from '#test/_support/temp.ts'

type GoRow = readonly [id: string, version: number, data: string, interval: number | null, createdAt: string]

/** A database as the Go system leaves it. */
function goDatabase(path: string, rows: readonly GoRow[]): void {
  const db = new Database(path)
  db.exec('CREATE TABLE configs(id TEXT PRIMARY KEY, version INTEGER UNIQUE, data TEXT, poll_interval_seconds INTEGER, created_at DATETIME)')
  db.exec('CREATE TABLE agents(id TEXT PRIMARY KEY, hostname, ip_address, port INTEGER, status, created_at, updated_at)')
  const insert = db.prepare('INSERT INTO configs VALUES (?, ?, ?, ?, ?)')
  for (const row of rows) insert.run(...row)
  db.prepare("INSERT INTO agents VALUES ('agent-id', 'web-01', '10.0.0.7', 8081, 'active', '2026-01-02 03:04:05', '2026-01-02 03:04:06')").run()
  db.close()
}

const good: readonly GoRow[] = [
  ['one', 1, '{"url":"http://a/"}', 30, '2026-01-02 03:04:05.123456789 +0000 UTC'],
  ['two', 2, '{"url":"http://b/","n":"1"}', 0, '2026-01-02T03:04:05+02:00'],
  ['three', 3, '{}', null, 'a time that is none'],
]
const importInto = (folder: TempFolder) => importGoDatabase({ from: folder.file('go.db'), to: folder.file('new.db'), migrations: migrationsFolder() })

describe('importGoDatabase', () => {
  it('takes versions, ids, times and agents over, and the store goes on from there', async () => {
    using folder = new TempFolder()
    goDatabase(folder.file('go.db'), good)
    const before = readFileSync(folder.file('go.db'))
    expect(importInto(folder)).toEqual({ kind: 'imported', versions: 3, agents: 1 })
    expect(readFileSync(folder.file('go.db')).equals(before)).toBe(true)
    await using store = openSqliteStore({ path: folder.file('new.db'), migrations: migrationsFolder(), clock: systemClock })
    expect(await store.byVersion(1)).toEqual({
      id: 'one',
      version: 1,
      data: { url: 'http://a/' },
      poll_interval_seconds: 30,
      created_at: '2026-01-02T03:04:05.123Z',
    })
    expect(await store.byVersion(2)).toMatchObject({ poll_interval_seconds: 30, created_at: '2026-01-02T01:04:05.000Z' })
    const registered = { agent_id: 'agent-id', hostname: 'web-01', port: 8081, registered_at: '2026-01-02T03:04:05.000Z' }
    expect((await store.agents()).map(({ agent }) => agent)).toContainEqual(expect.objectContaining(registered))
    expect(await store.publish({ data: {}, poll_interval_seconds: 30 }, someone)).toMatchObject({ config: { version: 4 } })
  })

  it.each<[string, readonly GoRow[], RegExp]>([
    [
      'a gap',
      [
        ['one', 1, '{}', 30, ''],
        ['three', 3, '{}', 30, ''],
      ],
      /version 2 is missing/,
    ],
    ['data that is no JSON', [['one', 1, '{', 30, '']], /configs, row 1: data/],
    ['data that is no object', [['one', 1, '[]', 30, '']], /configs, row 1: data/],
    ['a url that no worker can use', [['one', 1, '{"url":"ftp://x"}', 30, '']], /configs, row 1: data: url/],
    ['a key given twice', [['one', 1, '{"a":1,"a":2}', 30, '']], /given twice/],
  ])('names %s, and imports nothing', (_name, rows, problem) => {
    using folder = new TempFolder()
    goDatabase(folder.file('go.db'), rows)
    const outcome = importInto(folder)
    expect(outcome).toEqual({ kind: 'refused', problems: expect.arrayContaining([expect.stringMatching(problem)]) })
    expect(readdirSync(folder.path)).toEqual(['go.db'])
  })

  it('does not touch a file that is there', () => {
    using folder = new TempFolder()
    goDatabase(folder.file('go.db'), good)
    goDatabase(folder.file('new.db'), [])
    expect(() => importInto(folder)).toThrow(/exists already/)
  })

  it('leaves nothing where the old file is no such database', () => {
    using folder = new TempFolder()
    expect(() => importInto(folder)).toThrow()
    expect(existsSync(folder.file('new.db'))).toBe(false)
  })
})

describe('a database of a later release', () => {
  it('is refused untouched', async () => {
    using folder = new TempFolder()
    const path = folder.file('controller.db')
    const options = { path, migrations: migrationsFolder(), clock: systemClock }
    await openSqliteStore(options)[Symbol.asyncDispose]()
    const db = new Database(path)
    db.prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)').run('later', Date.now() + 1e12)
    db.close()
    expect(() => openSqliteStore(options)).toThrow(StartError)
    expect(() => openSqliteStore(options)).toThrow(/later release/)
  })
})
