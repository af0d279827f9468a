import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { ConfigSchema } from '#lib/contract/config.ts'
import { dataOf, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { dcm as run } from '#test/_support/dcm.ts'
import { controllerProcess } from '#test/_support/process.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** A backup of a controller with so many versions, made by the command. */
async function backupOf(folder: TempFolder, versions: number): Promise<string> {
  await using controller = await TestController.open()
  const { port } = await controller.listen()
  for (let n = 1; n <= versions; n++) await controller.publish({ n, filling: 'x'.repeat(3000) })
  const file = folder.file('backup.db')
  expect((await run(['backup', file], { CONTROLLER_URL: `http://127.0.0.1:${port}` })).exit).toBe(0)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect((await run(['backup', file], { CONTROLLER_URL: `http://127.0.0.1:${port}` })).exit).toBe(73)
  expect((await run(['backup', file, '--force'], { CONTROLLER_URL: `http://127.0.0.1:${port}` })).exit).toBe(0)
  return file
}

/** A database that a controller left. */
async function databaseWith(folder: TempFolder, n: number): Promise<string> {
  await using controller = await TestController.open({ env: { DATA_DIR: folder.path } })
  await controller.publish({ n })
  return folder.file('controller.db')
}

/** All files but the lock, which says who had it last. */
const contents = (folder: TempFolder) =>
  readdirSync(folder.path)
    .filter((name) => !name.endsWith('.lock'))
    .map((name) => [name, readFileSync(folder.file(name), 'latin1')])

describe('restore', () => {
  it('puts a backup in place, keeps the one from before, and a controller starts with it', async () => {
    using folder = new TempFolder()
    using elsewhere = new TempFolder()
    const file = await backupOf(elsewhere, 20)
    await databaseWith(folder, 1)
    const ran = await run(['restore', file, '--json'], { DATA_DIR: folder.path })
    expect([ran.exit, ran.stderr]).toEqual([0, ''])
    expect(JSON.parse(ran.stdout)).toMatchObject({ latest_version: 20, versions: 20, before: expect.stringContaining('controller.db.before-restore-') })
    await using controller = await TestController.open({ env: { DATA_DIR: folder.path } })
    expect((await dataOf(await controller.request('/config'), 200, ConfigSchema)).version).toBe(20)
    expect((await controller.publish()).version).toBe(21)
    const before = readdirSync(folder.path).find((name) => name.includes('before-restore'))
    expect(readdirSync(folder.path).filter((name) => name.includes('restoring'))).toEqual([])
    expect(readdirSync(elsewhere.path)).toEqual(['backup.db'])
    const db = new Database(folder.file(before ?? ''), { readonly: true })
    expect(db.prepare('SELECT data FROM config_versions').pluck().all()).toEqual(['{"n":1}'])
    db.close()
  })

  it.each<[string, (file: string) => void, RegExp]>([
    ['truncated', (file) => truncateSync(file, 20_000), /damaged|cannot be read/],
    ['damaged', (file) => writeFileSync(file, readFileSync(file).fill(7, 4096, 12_288)), /damaged|cannot be read/],
    ['empty', (file) => truncateSync(file, 0), /no database of a controller/],
    ['no database', (file) => writeFileSync(file, 'x'.repeat(5000)), /cannot be read/],
    [
      'of a later release',
      (file) => {
        const db = new Database(file)
        db.exec("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('x', 99999999999999)")
        db.close()
      },
      /later release/,
    ],
    [
      'without some of its versions',
      (file) => {
        const db = new Database(file)
        db.exec('DELETE FROM config_versions WHERE version = 2')
        db.close()
      },
      /versions are missing/,
    ],
  ])('refuses a backup that is %s, and leaves the database as it was', async (_name, spoil, message) => {
    using folder = new TempFolder()
    using elsewhere = new TempFolder()
    const file = await backupOf(elsewhere, 20)
    const copy = elsewhere.file('spoilt.db')
    copyFileSync(file, copy)
    spoil(copy)
    await databaseWith(folder, 1)
    const before = contents(folder)
    const ran = await run(['restore', copy], { DATA_DIR: folder.path })
    expect(ran).toMatchObject({ exit: 65, stderr: expect.stringMatching(message) })
    expect(contents(folder)).toEqual(before)
  })

  it('is refused with 75 while a controller runs on the database, and with 66 without a file', async () => {
    using folder = new TempFolder()
    using elsewhere = new TempFolder()
    const file = await backupOf(elsewhere, 2)
    await using controller = controllerProcess({ DATA_DIR: folder.path, API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })
    await controller.listening()
    expect(await run(['restore', file], { DATA_DIR: folder.path })).toMatchObject({ exit: 75, stderr: expect.stringContaining(`process id ${controller.pid}`) })
    expect(await run(['restore', elsewhere.file('none.db')], { DATA_DIR: folder.path })).toMatchObject({ exit: 66 })
  })
})

describe('import-go', () => {
  const goDatabase = (path: string, rows: string) => {
    const db = new Database(path)
    db.exec(`CREATE TABLE configs(id TEXT PRIMARY KEY, version INTEGER UNIQUE, data TEXT, poll_interval_seconds INTEGER, created_at DATETIME);
      CREATE TABLE agents(id TEXT PRIMARY KEY, hostname TEXT, ip_address TEXT, port INTEGER, status TEXT, created_at DATETIME, updated_at DATETIME);
      INSERT INTO configs VALUES ${rows}`)
    db.close()
  }

  it('takes versions over, and names each row that does not fit', async () => {
    using folder = new TempFolder()
    goDatabase(folder.file('go.db'), `('a', 1, '{"url":"http://a/"}', 30, '2026-01-01')`)
    goDatabase(folder.file('bad.db'), `('a', 1, '{', 30, ''), ('b', 2, '{"url":"ftp://x"}', 30, '')`)
    const refused = await run(['import-go', folder.file('bad.db')], { DATA_DIR: folder.path })
    expect(refused.exit).toBe(65)
    expect(refused.stderr).toMatch(/2 rows do not fit\n {2}configs, row 1: .*\n {2}configs, row 2: /)
    expect(existsSync(folder.file('controller.db'))).toBe(false)
    expect(await run(['import-go', folder.file('go.db')], { DATA_DIR: folder.path })).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('imported 1 versions'),
    })
    expect((await run(['import-go', folder.file('go.db')], { DATA_DIR: folder.path })).exit).toBe(73)
    expect((await run(['import-go', folder.file('none.db')], { DATA_DIR: folder.path })).exit).toBe(66)
  })
})

describe('the program itself', { timeout: 60_000 }, () => {
  const program = (...args: string[]) =>
    execFileSync(process.execPath, ['cli/dcm.mjs', ...args], { encoding: 'utf8', env: { PATH: process.env.PATH, HOME: '/nonexistent' } })

  it('builds what is stale and runs', () => {
    expect(program('--version')).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(program('--help')).toContain('publish')
  })

  it('completes in bash, zsh and fish', () => {
    using folder = new TempFolder()
    const bash = program('completion', 'bash')
    writeFileSync(folder.file('dcm.bash'), bash)
    execFileSync('bash', ['-n', folder.file('dcm.bash')])
    expect(program('completion', 'zsh')).toContain('#compdef dcm')
    expect(program('completion', 'fish')).toContain('complete -c dcm')
    expect(program('complete', '--', 'pub')).toContain('publish\t')
  })
})

describe('audit verify', () => {
  it.each<[string, string, RegExp]>([
    ['an edit', "UPDATE audit_entries SET actor = 'somebody' WHERE seq = 2", /an edit: entry 2/],
    ['a gap', 'DELETE FROM audit_entries WHERE seq = 2', /a gap: entry 2 is missing/],
    [
      'a cut tail',
      'DELETE FROM audit_entries WHERE seq = 3',
      /a cut: 3 entries were written, the last one is 3|a cut: 3 entries were written, the last one is 2/,
    ],
  ])('finds %s', async (_name, statement, message) => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    const env = { CONTROLLER_URL: `http://127.0.0.1:${port}` }
    for (let n = 1; n <= 3; n++) await controller.publish({ n })
    const whole = await run(['audit', 'verify'], env)
    expect(whole).toMatchObject({ exit: 0, stdout: expect.stringContaining('3 entries') })
    const head = whole.stdout.trim().split(' ').at(-1) ?? ''
    expect((await run(['audit', 'verify', '--head', head], env)).exit).toBe(0)
    const db = new Database(controller.folder.file('controller.db'))
    db.exec(`DROP TRIGGER audit_entries_no_update; DROP TRIGGER audit_entries_no_delete; ${statement}`)
    db.close()
    expect(await run(['audit', 'verify'], env)).toMatchObject({ exit: 65, stdout: expect.stringMatching(message) })
  })

  it('finds by a head that is known that all was written anew', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    await controller.publish()
    const ran = await run(['audit', 'verify', '--head', 'f'.repeat(64)], { CONTROLLER_URL: `http://127.0.0.1:${port}` })
    expect(ran).toMatchObject({ exit: 65, stdout: expect.stringContaining('no entry has the hash') })
  })
})
