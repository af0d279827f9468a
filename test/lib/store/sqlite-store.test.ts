import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { systemClock } from '#lib/runtime/clock.ts'
import { StartError } from '#lib/runtime/env.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { FileLockedError } from '#lib/sqlite/lock.ts'
import { type NewConfig, type Store, VersionConflictError } from '#lib/store/port.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { someone } from '#test/_support/actor.ts'
import { TempFolder } from '#test/_support/temp.ts'

const open = (path: string) => openSqliteStore({ path, migrations: migrationsFolder(), clock: systemClock })
const config = { data: { url: 'http://a/' }, poll_interval_seconds: 30 }

/** The refusal of a file, after it was seen that not a byte of the folder changed. */
function refusal(folder: TempFolder, path: string): Error {
  const contents = () => readdirSync(folder.path).map((name) => [name, readFileSync(folder.file(name)).toString('base64')])
  const before = contents()
  try {
    open(path)
  } catch (error) {
    expect(contents()).toEqual(before)
    if (error instanceof StartError) return error
    throw error
  }
  throw new Error('the file was taken')
}

/** Makes a database with other tools. */
function make(path: string, sql: string): void {
  const db = new Database(path)
  db.exec(sql)
  db.close()
}

const goTables = `
  CREATE TABLE configs(id TEXT PRIMARY KEY, version INTEGER UNIQUE, data TEXT, poll_interval_seconds INTEGER, created_at DATETIME);
  CREATE TABLE agents(id TEXT PRIMARY KEY, hostname TEXT, ip_address TEXT, port INTEGER, status TEXT, created_at DATETIME, updated_at DATETIME);
  INSERT INTO configs VALUES ('a', 1, '{"url":"http://a/"}', 30, '2026-01-01');`

const publish = async (store: Store, one: NewConfig) => (await store.publish(one, someone)).config

describe('the SQLite store', () => {
  it('numbers versions from 1 without gaps, whoever publishes at once', async () => {
    using folder = new TempFolder()
    await using store = open(folder.file('c.db'))
    const published = await Promise.all(Array.from({ length: 100 }, (_, i) => publish(store, { ...config, data: { i } })))
    expect(published.map(({ version }) => version).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
    expect(new Set(published.map(({ id }) => id)).size).toBe(100)
    for (const one of published) expect(await store.byVersion(one.version)).toEqual(one)
    expect((await store.latest())?.version).toBe(100)
  })

  it('leaves no gap where a publish in the same batch is refused', async () => {
    using folder = new TempFolder()
    await using store = open(folder.file('c.db'))
    const outcomes = await Promise.allSettled([
      publish(store, config),
      publish(store, { ...config, allowed: (latest) => latest === 7 }),
      publish(store, { ...config, allowed: (latest) => latest === 1 }),
    ])
    expect(outcomes[1]).toMatchObject({ status: 'rejected', reason: expect.any(VersionConflictError) })
    expect(outcomes[1]).toMatchObject({ reason: { latest: 1 } })
    expect(outcomes[2]).toMatchObject({ status: 'fulfilled', value: { version: 2 } })
  })

  it('keeps data exactly, over a restart too', async () => {
    using folder = new TempFolder()
    const data = { '': 0, 'ä\0\u2028': [null, true, 1e-7, 1e21, -0.5, '\0', '😀'], nested: { constructor: { toString: 'x' } }, '10': 1, '9': 2 }
    const first = open(folder.file('c.db'))
    const published = await publish(first, { ...config, data, comment: 'why', author: 'who' })
    await first[Symbol.asyncDispose]()
    await using second = open(folder.file('c.db'))
    expect(await second.latest()).toEqual(published)
    expect(published.data).toEqual(data)
    expect((await publish(second, config)).version).toBe(2)
  })

  it('keeps one row an agent, and writes nothing where nothing changed', async () => {
    using folder = new TempFolder()
    let now = 1_000_000
    await using store = openSqliteStore({ path: folder.file('c.db'), migrations: migrationsFolder(), clock: { now: () => now++ } })
    const agent = { agent_id: 'a', hostname: 'h', ip_address: '10.0.0.1', port: 8081, labels: { zone: 'eu' } }
    await store.registerAgent(agent)
    const only = async () => (await store.agents()).map((entry) => entry.agent)
    const [first] = await only()
    await store.registerAgent({ ...agent })
    expect(await only()).toEqual([first])
    expect(first).toEqual(await store.registerAgent(agent))
    const updated = await store.registerAgent({ ...agent, port: 9, instance_id: 'i', agent_version: '1' })
    expect(await only()).toEqual([updated])
    expect(updated).toMatchObject({ port: 9, instance_id: 'i', agent_version: '1', registered_at: first?.registered_at })
    expect(updated.updated_at).not.toBe(first?.updated_at)
  })

  it('sets WAL in the file', async () => {
    using folder = new TempFolder()
    await using store = open(folder.file('c.db'))
    await store.checkWritable()
    expect(readdirSync(folder.path)).toEqual(['c.db', 'c.db-shm', 'c.db-wal', 'c.db.lock'])
  })

  it('refuses a second one on the same file, with exit code 75', async () => {
    using folder = new TempFolder()
    await using _store = open(folder.file('c.db'))
    expect(() => open(folder.file('c.db'))).toThrow(FileLockedError)
  })

  it("refuses the Go system's database untouched, and names the import", () => {
    using folder = new TempFolder()
    make(folder.file('go.db'), goTables)
    expect(refusal(folder, folder.file('go.db'))).toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(/go\.db.*Go system.*not touched.*CONTROLLER_DB_PATH.*import-go/),
    })
  })

  it("refuses the Go system's database in WAL mode with a WAL left behind", () => {
    using folder = new TempFolder()
    const db = new Database(folder.file('live.db'))
    db.pragma('journal_mode = WAL')
    db.exec(goTables)
    for (const end of ['', '-wal']) copyFileSync(folder.file(`live.db${end}`), folder.file(`go.db${end}`))
    db.close()
    const before = ['', '-wal'].map((end) => readFileSync(folder.file(`go.db${end}`)).toString('base64'))
    expect(() => open(folder.file('go.db'))).toThrow(/Go system/)
    expect(['', '-wal'].map((end) => readFileSync(folder.file(`go.db${end}`)).toString('base64'))).toEqual(before)
  })

  it("refuses another application's database", () => {
    using folder = new TempFolder()
    make(folder.file('other.db'), 'CREATE TABLE bookmarks (x)')
    expect(refusal(folder, folder.file('other.db')).message).toMatch(/another application.*CONTROLLER_DB_PATH/)
  })

  it.each([
    ['text', Buffer.from('this is my diary, and no database at all. '.repeat(50))],
    ['a cut off header', Buffer.from('SQLite format 3\0')],
  ])('refuses a file that holds %s', (_, bytes) => {
    using folder = new TempFolder()
    writeFileSync(folder.file('x.db'), bytes)
    expect(refusal(folder, folder.file('x.db')).message).toMatch(/cannot be read as a SQLite database.*CONTROLLER_DB_PATH/)
  })

  it.each([
    ['a folder', '.'],
    ['a folder that cannot be made', 'file/below/c.db'],
    ['a device', '/dev/null/c.db'],
  ])('refuses %s with one line that names the path and the variable', (_, path) => {
    using folder = new TempFolder()
    writeFileSync(folder.file('file'), '')
    const full = path.startsWith('/') ? path : folder.file(path)
    expect(() => open(full)).toThrow(
      expect.objectContaining({ exitCode: 78, message: expect.stringMatching(/^Cannot start the controller: [^\n]*CONTROLLER_DB_PATH[^\n]*$/) }),
    )
  })

  it('takes an empty file', async () => {
    using folder = new TempFolder()
    writeFileSync(folder.file('c.db'), '')
    await using store = open(folder.file('c.db'))
    expect(await store.latest()).toBeUndefined()
  })
})
