import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { systemClock } from '#lib/runtime/clock.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { dcm } from '#test/_support/dcm.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** A database as the Go system leaves it, with these configs as `id, version, data`. */
function goDatabase(folder: TempFolder, configs: readonly (readonly [string, number, string])[]): string {
  const path = folder.file('go.db')
  const db = new Database(path)
  db.exec('CREATE TABLE configs(id TEXT PRIMARY KEY, version INTEGER UNIQUE, data TEXT, poll_interval_seconds INTEGER, created_at DATETIME)')
  db.exec('CREATE TABLE agents(id TEXT PRIMARY KEY, hostname, ip_address, port INTEGER, status, created_at, updated_at)')
  for (const config of configs) db.prepare("INSERT INTO configs VALUES (?, ?, ?, 30, '2026-01-02 03:04:05')").run(...config)
  db.exec("INSERT INTO agents VALUES ('agent-id', 'web-01', '10.0.0.7', 8081, 'active', '2026-01-02 03:04:05', '2026-01-02 03:04:06')")
  db.close()
  return path
}
const good = [['one', 1, '{"url":"http://a/"}'] as const, ['two', 2, '{"url":"http://b/"}'] as const]

describe('import-go', () => {
  it('takes versions and agents over into where the controller looks, and leaves the old file as it was', async () => {
    using folder = new TempFolder()
    const from = goDatabase(folder, good)
    const before = readFileSync(from)
    const to = folder.file('data/controller.db')
    const ran = await dcm(['import-go', from], { DATA_DIR: folder.file('data') })
    expect(ran).toEqual({ exit: 0, stdout: `${to}\n`, stderr: `imported 2 versions and 1 agents; start the controller with CONTROLLER_DB_PATH=${to}\n` })
    expect(readFileSync(from).equals(before)).toBe(true)
    await using store = openSqliteStore({ path: to, migrations: migrationsFolder(), clock: systemClock })
    expect(await store.latest()).toMatchObject({ id: 'two', version: 2, data: { url: 'http://b/' } })
    expect(await store.agents()).toMatchObject([{ agent: { agent_id: 'agent-id', hostname: 'web-01' } }])
  })

  it('goes where --to or CONTROLLER_DB_PATH say', async () => {
    using folder = new TempFolder()
    const from = goDatabase(folder, good)
    expect(JSON.parse((await dcm(['import-go', from, '--to', folder.file('new.db'), '--json'])).stdout)).toEqual({
      path: folder.file('new.db'),
      versions: 2,
      agents: 1,
    })
    expect((await dcm(['import-go', from], { CONTROLLER_DB_PATH: folder.file('other.db') })).exit).toBe(0)
    expect(existsSync(folder.file('other.db'))).toBe(true)
  })

  it('names row by row what does not fit, with 65, and imports nothing', async () => {
    using folder = new TempFolder()
    const from = goDatabase(folder, [good[0] ?? ['one', 1, '{}'], ['two', 2, '{'], ['three', 3, '{"url":"ftp://x"}']])
    const ran = await dcm(['import-go', from], { DATA_DIR: folder.file('data') })
    expect(ran).toMatchObject({ exit: 65, stdout: '' })
    expect(ran.stderr).toMatch(/nothing was imported from .*: 2 things do not fit\n {2}configs, row 2: data: .*\n {2}configs, row 3: data: url .*\n$/)
    expect(readdirSync(folder.file('data')).filter((name) => !name.endsWith('.lock'))).toEqual([])
    const asJson = await dcm(['import-go', from, '--json'], { DATA_DIR: folder.file('data') })
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { exit_code: 65, details: [{ path: 'configs, row 2' }, { path: 'configs, row 3' }] } })
  })

  it('touches nothing that is there', async () => {
    using folder = new TempFolder()
    const from = goDatabase(folder, good)
    mkdirSync(folder.file('data'))
    writeFileSync(folder.file('data/controller.db'), 'precious')
    expect(await dcm(['import-go', from], { DATA_DIR: folder.file('data') })).toMatchObject({
      exit: 73,
      stderr: expect.stringContaining('it exists already; name a new file with --to'),
    })
    // CONTROLLER_DB_PATH may still name the old one, as the Go system had it.
    expect(await dcm(['import-go', from], { CONTROLLER_DB_PATH: from })).toMatchObject({ exit: 73 })
    expect(readFileSync(folder.file('data/controller.db'), 'utf8')).toBe('precious')
  })

  it('says what is no such database', async () => {
    using folder = new TempFolder()
    writeFileSync(folder.file('text.db'), 'no database')
    expect((await dcm(['import-go', folder.file('none.db')], { DATA_DIR: folder.path })).exit).toBe(66)
    expect(await dcm(['import-go', folder.file('text.db')], { DATA_DIR: folder.path })).toMatchObject({
      exit: 65,
      stderr: expect.stringContaining('cannot import'),
    })
    const db = new Database(folder.file('other.db'))
    db.exec('CREATE TABLE something(id)')
    db.close()
    expect(await dcm(['import-go', folder.file('other.db')], { DATA_DIR: folder.path })).toMatchObject({
      exit: 65,
      stderr: expect.stringContaining('no such table: configs'),
    })
  })
})
