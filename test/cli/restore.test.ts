import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#lib/runtime/clock.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { someone } from '#test/_support/actor.ts'
import { TEST_KEY } from '#test/_support/controller.ts'
import { DcmProcess, dcm } from '#test/_support/dcm.ts'
import { controllerProcess } from '#test/_support/process.ts'
import { tamper } from '#test/_support/tampered.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** A controller's database with so many versions. */
async function database(path: string, versions: number, filling = 2000): Promise<void> {
  await using store = openSqliteStore({ path, migrations: migrationsFolder(), clock: systemClock })
  for (let n = 1; n <= versions; n++) await store.publish({ data: { n, filling: 'x'.repeat(filling) }, poll_interval_seconds: 30 }, someone)
}

/** A backup, as one file. */
async function backupOf(folder: TempFolder, versions: number): Promise<string> {
  await database(folder.file('source.db'), versions)
  const db = new Database(folder.file('source.db'))
  db.pragma('journal_mode = DELETE')
  db.close()
  copyFileSync(folder.file('source.db'), folder.file('backup.db'))
  return folder.file('backup.db')
}

/** How many versions a database has, after it was looked all through. */
function versionsIn(path: string): number {
  const db = new Database(path, { fileMustExist: true })
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    return Number(db.prepare('SELECT count(*) FROM config_versions').pluck().get())
  } finally {
    db.close()
  }
}

const restore = (folder: TempFolder, file: string, ...args: string[]) => dcm(['restore', file, ...args], { DATA_DIR: folder.file('data') })
const kept = (folder: TempFolder) => readdirSync(folder.file('data')).filter((name) => name.includes('before-restore'))

describe('restore', () => {
  it('makes the database of a new host', async () => {
    using folder = new TempFolder()
    const file = await backupOf(folder, 3)
    const ran = await restore(folder, file)
    expect(ran).toMatchObject({
      exit: 0,
      stdout: `${folder.file('data/controller.db')}\n`,
      stderr: expect.stringContaining('restored 3 versions, the latest is 3, and 3 entries of the audit'),
    })
    expect(versionsIn(folder.file('data/controller.db'))).toBe(3)
    expect(statSync(folder.file('data/controller.db')).mode & 0o777).toBe(0o600)
    expect(kept(folder)).toEqual([])
  })

  it('keeps what was there before, with what its log held', async () => {
    using folder = new TempFolder()
    const file = await backupOf(folder, 3)
    mkdirSync(folder.file('data'))
    await database(folder.file('live.db'), 5)
    // As a killed controller leaves it: what was acknowledged is in the log.
    const live = new Database(folder.file('live.db'))
    live.exec("INSERT INTO config_versions (version, id, data, poll_interval_seconds, created_at) VALUES (6, 'six', '{}', 30, 'now')")
    for (const tail of ['', '-wal']) copyFileSync(folder.file(`live.db${tail}`), folder.file(`data/controller.db${tail}`))
    live.close()
    chmodSync(folder.file('data/controller.db'), 0o640)
    const ran = await restore(folder, file, '--json')
    expect([ran.exit, ran.stderr]).toEqual([0, ''])
    const [before = ''] = kept(folder)
    expect(before).toMatch(/^controller\.db\.before-restore-20\d\d-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/)
    expect(JSON.parse(ran.stdout)).toMatchObject({ before: folder.file(`data/${before}`) })
    expect(versionsIn(folder.file(`data/${before}`))).toBe(6)
    expect(versionsIn(folder.file('data/controller.db'))).toBe(3)
    expect(statSync(folder.file('data/controller.db')).mode & 0o777).toBe(0o640)
    expect(readdirSync(folder.file('data')).sort()).toEqual(['controller.db', before, 'controller.db.lock'])
    // What was kept can be restored in its turn.
    tamper(folder.file(`data/${before}`), 'DELETE FROM config_versions WHERE version = 6')
    expect((await restore(folder, folder.file(`data/${before}`))).exit).toBe(0)
    expect(versionsIn(folder.file('data/controller.db'))).toBe(5)
  })

  it('goes to the file itself where the database is a link', async () => {
    using folder = new TempFolder()
    const file = await backupOf(folder, 2)
    mkdirSync(folder.file('data'))
    mkdirSync(folder.file('disk'))
    await database(folder.file('disk/real.db'), 1)
    symlinkSync(folder.file('disk/real.db'), folder.file('data/controller.db'))
    expect(await restore(folder, file)).toMatchObject({ exit: 0, stdout: `${folder.file('disk/real.db')}\n` })
    expect(versionsIn(folder.file('data/controller.db'))).toBe(2)
  })

  it('puts one in the place of a database that is damaged, and keeps that with its log', async () => {
    using folder = new TempFolder()
    const file = await backupOf(folder, 2)
    mkdirSync(folder.file('data'))
    writeFileSync(folder.file('data/controller.db'), 'rubbish'.repeat(1000))
    writeFileSync(folder.file('data/controller.db-wal'), 'the log of it')
    expect((await restore(folder, file)).exit).toBe(0)
    expect(versionsIn(folder.file('data/controller.db'))).toBe(2)
    const [before = ''] = kept(folder)
    expect(readFileSync(folder.file(`data/${before}`), 'utf8')).toBe('rubbish'.repeat(1000))
    expect(readFileSync(folder.file(`data/${before}-wal`), 'utf8')).toBe('the log of it')
  })

  describe('refuses, with the database untouched byte for byte,', () => {
    const cases: readonly (readonly [string, (file: string, folder: TempFolder) => void, RegExp])[] = [
      ['a backup that lacks its last byte', (file) => truncateSync(file, statSync(file).size - 1), /it is cut off: it has \d+ bytes of \d+/],
      ['a backup that was cut off in a page', (file) => truncateSync(file, statSync(file).size - 1000), /it is cut off/],
      ['a backup that was cut off at a page', (file) => truncateSync(file, Math.floor(statSync(file).size / 8192) * 4096), /it is cut off/],
      ['a backup that was cut off after its header', (file) => truncateSync(file, 100), /it is cut off/],
      ['a backup that was cut off in its header', (file) => truncateSync(file, 60), /cannot be read as a SQLite database/],
      ['an empty file', (file) => truncateSync(file, 0), /no database of a controller/],
      [
        'a file that is no database',
        (file) => writeFileSync(file, 'a text that is long enough to be something'.repeat(100)),
        /cannot be read as a SQLite database/,
      ],
      [
        'a database of another application',
        (file, folder) => {
          const db = new Database(folder.file('other.db'))
          db.exec('CREATE TABLE configs(id TEXT PRIMARY KEY, version INTEGER)')
          db.close()
          copyFileSync(folder.file('other.db'), file)
        },
        /no database of a controller/,
      ],
      [
        'one that a later release has used',
        (file) => tamper(file, "INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', 99999999999999)"),
        /later release/,
      ],
      ['one whose audit was altered', (file) => tamper(file, "UPDATE audit_entries SET actor = 'x' WHERE seq = 2"), /audit is not whole: entry 2 was altered/],
      ['one whose audit was cut off', (file) => tamper(file, 'DELETE FROM audit_entries WHERE seq > 2'), /audit is not whole: the tail was cut off/],
      ['one with a version missing', (file) => tamper(file, 'DELETE FROM config_versions WHERE version = 2'), /versions are missing/],
      ['one with a page that was overwritten', (file) => overwrite(file), /damaged|malformed/],
      [
        'a database in use, with its log beside it',
        (file) => writeFileSync(`${file}-wal`, 'what is not in the file'),
        /is beside it, so it is a database in use/,
      ],
    ]

    /** Overwrites the begin of each page but the first, as a bad disk does. */
    function overwrite(file: string): void {
      const bytes = readFileSync(file)
      for (let at = 4096; at < bytes.byteLength; at += 4096) bytes.fill(0xff, at, at + 64)
      writeFileSync(file, bytes)
    }

    it.each(cases)('%s', async (_name, damage, why) => {
      using folder = new TempFolder()
      const file = await backupOf(folder, 5)
      damage(file, folder)
      mkdirSync(folder.file('data'))
      await database(folder.file('data/controller.db'), 2)
      const before = readFileSync(folder.file('data/controller.db'))
      const ran = await restore(folder, file)
      expect(ran).toMatchObject({ exit: 65, stdout: '' })
      expect(ran.stderr).toMatch(why)
      expect(ran.stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(ran.stderr).toContain(`${folder.file('data/controller.db')} is as it was`)
      expect(readFileSync(folder.file('data/controller.db')).equals(before)).toBe(true)
      expect(readdirSync(folder.file('data')).sort()).toEqual(['controller.db', 'controller.db.lock'])
    })

    it('a file that is not there', async () => {
      using folder = new TempFolder()
      expect(await restore(folder, folder.file('none.db'))).toMatchObject({ exit: 66, stderr: expect.stringContaining('there is no such file') })
      expect(existsSync(folder.file('data'))).toBe(false)
    })
  })

  it('is refused with 75 while the controller runs, and names it', async () => {
    using folder = new TempFolder()
    const file = await backupOf(folder, 3)
    await using controller = controllerProcess({ DATA_DIR: folder.file('data'), API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })
    await controller.listening()
    const ran = await restore(folder, file)
    expect(ran).toMatchObject({ exit: 75, stdout: '' })
    expect(ran.stderr).toMatch(new RegExp(`held by the controller with process id ${controller.pid} `))
    controller.signal('SIGTERM')
    await controller.ended
    expect(versionsIn(folder.file('data/controller.db'))).toBe(0)
    expect((await restore(folder, file)).exit).toBe(0)
  })

  it('is refused with 75 while another process reads the database', async () => {
    using folder = new TempFolder()
    const file = await backupOf(folder, 3)
    mkdirSync(folder.file('data'))
    await database(folder.file('data/controller.db'), 2)
    const reader = new Database(folder.file('data/controller.db'))
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM config_versions').get()
    const writer = new Database(folder.file('data/controller.db'))
    writer.exec('UPDATE config_versions SET comment = 1')
    expect(await restore(folder, file)).toMatchObject({ exit: 75, stderr: expect.stringContaining('another process reads it') })
    writer.close()
    reader.close()
    expect(versionsIn(folder.file('data/controller.db'))).toBe(2)
  })
})

describe('a restore that is killed', () => {
  // What makes and changes files, by whatever name the system has for it: at each single call of each it is killed once.
  const calls = ['fsync,fdatasync', 'rename,renameat,renameat2', 'link,linkat', 'unlink,unlinkat', 'chmod,fchmodat', 'ftruncate', 'copy_file_range,sendfile']

  beforeAll(async () => {
    // Builds what is stale, which is not what is to be killed.
    await DcmProcess.run(['--version'])
  }, 120_000)

  it.each(calls)(
    'at any %s leaves the old database or the new one, whole',
    async (call) => {
      using folder = new TempFolder()
      const file = await backupOf(folder, 5)
      await database(folder.file('live.db'), 2)
      const live = new Database(folder.file('live.db'))
      live.exec("INSERT INTO config_versions (version, id, data, poll_interval_seconds, created_at) VALUES (3, 'three', '{}', 30, 'now')")
      const inject = ['-e', `trace=${call}`, '-e']
      for (let when = 1; ; when++) {
        using host = new TempFolder()
        // As a killed controller leaves it: what it acknowledged last is in the log.
        for (const tail of ['', '-wal']) copyFileSync(folder.file(`live.db${tail}`), host.file(`controller.db${tail}`))
        const under = ['strace', '-f', '-qq', '-o', '/dev/null', ...inject, `inject=${call}:signal=KILL:when=${when}`]
        await using running = new DcmProcess(['restore', file], { DATA_DIR: host.path }, { under })
        const { exit } = await running.ended
        expect([3, 5], `killed at ${call} ${when}`).toContain(versionsIn(host.file('controller.db')))
        if (exit !== 0) {
          // The next one cleans up after it, and works.
          expect(await dcm(['restore', file], { DATA_DIR: host.path })).toMatchObject({ exit: 0 })
          expect(readdirSync(host.path).filter((name) => name.includes('restoring'))).toEqual([])
        }
        expect(exit === 0 ? versionsIn(host.file('controller.db')) : 5).toBe(5)
        if (exit === 0) break
      }
      live.close()
    },
    120_000,
  )
})
