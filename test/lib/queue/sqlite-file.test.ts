import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { type HitQueue, QueueUnavailableError } from '#lib/queue/port.ts'
import { endedRows } from '#lib/queue/sqlite/ended-rows.ts'
import { hitRows } from '#lib/queue/sqlite/hit-rows.ts'
import { keyRows } from '#lib/queue/sqlite/key-rows.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { migrate } from '#lib/queue/sqlite/schema.ts'
import { Tally } from '#lib/queue/sqlite/tally.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { openDatabase, type SqliteDatabase } from '#lib/sqlite/open.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { completed, failed, finalOf, idsOf, newJob, recordingLogger, until } from '../../conformance/harness.ts'

const open = (path: string, logger = silentLogger): HitQueue => openSqliteHitQueue({ path, logger, clock: systemClock })

/** The schema as it was released first. */
const first = `CREATE TABLE hit (seq INTEGER PRIMARY KEY, task_id TEXT NOT NULL UNIQUE, job TEXT NOT NULL, run_at INTEGER NOT NULL, token TEXT,
    starts INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, key TEXT) STRICT;
  CREATE INDEX hit_waiting ON hit (run_at, seq) WHERE token IS NULL;
  CREATE INDEX hit_leased ON hit (seq) WHERE token IS NOT NULL;
  CREATE TABLE result (task_id TEXT PRIMARY KEY, json TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT;
  CREATE INDEX result_expiry ON result (expires_at);
  CREATE TABLE idempotency (key TEXT PRIMARY KEY, task_id TEXT NOT NULL, expires_at INTEGER) STRICT;
  CREATE INDEX idempotency_expiry ON idempotency (expires_at) WHERE expires_at IS NOT NULL;
  CREATE TABLE probe (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT;
  INSERT INTO probe VALUES (1, 0);
  PRAGMA user_version = 1;`

test('a file of the release before keeps its hits, their order and attempts, its results and its keys', async () => {
  using folder = new TempFolder()
  const path = folder.file('hits.db')
  const [fresh, running, deadly, tried, keyed, ended] = Array.from({ length: 6 }, () => newJob({ request: { method: 'PUT' } }))
  if (!fresh || !running || !deadly || !tried || !keyed || !ended) throw new Error('six are needed')
  {
    const db = openDatabase(path)
    db.exec(first)
    const insert = db.prepare('INSERT INTO hit (task_id, job, run_at, token, starts, attempts, crashes, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
    const now = Date.now()
    const rows = [
      [fresh, now - 10, null, 0, 0, 0, null],
      [running, now - 20, 'a token', 2, 1, 0, null],
      [deadly, now - 20, 'a token', 6, 0, 5, null],
      [tried, now + 60_000, null, 2, 2, 0, null],
      [keyed, now - 5, null, 0, 0, 0, 'b'],
    ] as const
    for (const [job, ...fields] of rows) insert.run(job.task_id, JSON.stringify(job), ...fields)
    db.prepare('INSERT INTO idempotency VALUES (?, ?, NULL)').run('b', keyed.task_id)
    const result = { task_id: ended.task_id, status: 'completed', status_code: 200, body: 'as it was', attempts: 1 }
    db.prepare('INSERT INTO result VALUES (?, ?, ?)').run(ended.task_id, JSON.stringify(result), now + 60_000)
    db.close()
  }
  await using queue = open(path)
  expect(await queue.counts()).toMatchObject({ queued: 3, active: 0, delayed: 1, completed: 0, failed: 1, oldest_queued_at: running.enqueued_at })
  expect(await idsOf(queue, 'queued')).toEqual([fresh.task_id, keyed.task_id])
  expect(await idsOf(queue, 'pending')).toEqual([running.task_id, tried.task_id])
  expect(await queue.find(tried.task_id)).toMatchObject({ status: 'pending', attempts: 2 })
  expect(await queue.find(deadly.task_id)).toMatchObject({ status: 'failed', error_class: 'internal' })
  // Ended before there was a list: it is told until its hour is over, and cannot be queued again.
  expect(await queue.find(ended.task_id)).toMatchObject({ status: 'completed', body: 'as it was' })
  expect(await queue.retry(ended.task_id)).toBe('unknown')
  const ran: unknown[] = []
  queue.start(
    async (job, { attempt, again }) => {
      ran.push([job, attempt, again])
      return completed
    },
    { concurrency: 1 },
  )
  for (const { task_id } of [running, fresh, keyed]) expect(await finalOf(queue, task_id)).toMatchObject({ status: 'completed' })
  expect(ran).toEqual([
    [running, 2, true],
    [fresh, 1, false],
    [keyed, 1, false],
  ])
})

/** Overwrites pages of a table or an index, as a failing disk does. */
function damage(path: string, name: string): void {
  const db = new Database(path)
  db.pragma('wal_checkpoint(TRUNCATE)')
  const pages = db.prepare<[string], number>("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'").pluck().all(name)
  db.close()
  const bytes = readFileSync(path)
  for (const page of pages) bytes.fill(0xa5, (page - 1) * 4096, page * 4096)
  writeFileSync(path, bytes)
}

/** A file with many hits, one of them ended. */
async function filled(path: string): Promise<string> {
  await using queue = open(path)
  const done = newJob()
  await queue.enqueue(done)
  queue.start(async () => completed, { concurrency: 1 })
  await finalOf(queue, done.task_id)
  await queue.pause()
  await queue.enqueueMany(Array.from({ length: 2000 }, () => newJob()))
  await queue.resume()
  return done.task_id
}

test('a file whose index is damaged is not opened, and left as it is', async () => {
  using folder = new TempFolder()
  const path = folder.file('hits.db')
  await filled(path)
  damage(path, 'hit_state')
  const damaged = readFileSync(path)
  expect(() => open(path)).toThrow(/hits\.db.*SQLITE_CORRUPT.*left as it is/)
  expect(readFileSync(path).equals(damaged)).toBe(true)
})

test('damage that is met while the queue runs: hits are refused from then on, one log line, and what can be read is told', async () => {
  using folder = new TempFolder()
  const path = folder.file('hits.db')
  const done = await filled(path)
  damage(path, 'payload')
  const { logger, lines } = recordingLogger()
  await using queue = open(path, logger)
  queue.start(async () => completed, { concurrency: 2 })
  await until('it is met', async () => !(await queue.health()).ok)
  const error = await queue.enqueue(newJob()).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(QueueUnavailableError)
  expect(error).toMatchObject({ outcome: 'refused', message: expect.stringMatching(/SQLITE_CORRUPT.*nothing more is written to it.*backup/) })
  expect(await queue.health()).toMatchObject({ ok: false, warnings: [expect.stringContaining('SQLITE_CORRUPT')] })
  expect(await queue.find(done)).toMatchObject({ status: 'completed', body: 'hello' })
  expect(lines.filter(({ level }) => level >= 50)).toHaveLength(1)
})

/** Opens the queue as a user who is not root: root may write everything. */
function openAsNobody(path: string): string {
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  const { stdout, stderr } = spawnSync(process.execPath, ['test/lib/queue/sqlite-opener.ts', path], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
    ...nobody,
  })
  return stdout + stderr
}

test('a folder or a file that may only be read is told in one line, and left as it is', { timeout: 30_000 }, async () => {
  using folder = new TempFolder()
  chmodSync(folder.path, 0o755)
  mkdirSync(folder.file('data'), { mode: 0o755 })
  const path = folder.file('data/hits.db')
  const refused = /^StartError: Cannot start: cannot open the hit queue ".*": .*permissions; .*\n$/
  chmodSync(folder.file('data'), 0o555)
  expect(openAsNobody(path)).toMatch(refused)
  expect(openAsNobody(folder.file('data/made/for/it/hits.db'))).toMatch(refused)

  // The file alone: its lock beside it can be taken.
  chmodSync(folder.file('data'), 0o777)
  await filled(path)
  chmodSync(path, 0o444)
  chmodSync(`${path}.lock`, 0o666)
  const before = readFileSync(path)
  expect(openAsNobody(path)).toMatch(/^StartError: .*hits\.db".*(EACCES|SQLITE_READONLY)/)
  expect(readFileSync(path).equals(before)).toBe(true)
  chmodSync(path, 0o666)
  expect(openAsNobody(path)).toBe('opened\n')
})

test('no statement looks at all hits', () => {
  const db = openDatabase(':memory:')
  migrate(db, ':memory:')
  const statements: string[] = []
  const recording: SqliteDatabase = new Proxy(db, {
    get: (target, name) => {
      if (name !== 'prepare') return Reflect.get(target, name)
      return (sql: string) => {
        statements.push(sql)
        return target.prepare(sql)
      }
    },
  })
  const tally = new Tally()
  hitRows(recording, tally)
  endedRows(recording, tally)
  keyRows(recording)
  expect(statements.length).toBeGreaterThan(20)
  const plan = (sql: string) => db.prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql.replaceAll(/[?]|@\w+/g, '1')}`).all()
  const scans = statements.filter((sql) => plan(sql).some(({ detail }) => /^SCAN|TEMP B-TREE/.test(detail)))
  expect(scans).toEqual([])
  db.close()
})

test('at most as many wait as may, to the hit, however many ask at once; a write that fails counts nothing', async () => {
  using folder = new TempFolder()
  await using queue = openSqliteHitQueue({ path: folder.file('hits.db'), maxBacklog: 10, logger: silentLogger, clock: systemClock })
  const answers = await Promise.allSettled(Array.from({ length: 100 }, () => queue.enqueue(newJob())))
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
  expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { message: '10 hits wait, and at most 10 may' } })
  queue.start(async () => failed, { concurrency: 3 })
  await until('all have failed', async () => (await queue.counts()).failed === 10)
  await queue.pause()
  await queue.enqueueMany(Array.from({ length: 7 }, () => newJob()))

  const other = openDatabase(folder.file('hits.db'))
  other.exec('BEGIN IMMEDIATE')
  await expect(queue.enqueueMany(Array.from({ length: 2 }, () => newJob()))).rejects.toBeInstanceOf(QueueUnavailableError)
  other.close()
  expect(await queue.counts()).toMatchObject({ queued: 7, failed: 10 })
  await queue.enqueueMany(Array.from({ length: 3 }, () => newJob()))
  await expect(queue.enqueue(newJob())).rejects.toThrow('10 hits wait, and at most 10 may')
  expect((await queue.counts()).queued).toBe(10)
})

test('hits that wait for a time are counted to the millisecond, many and few', async () => {
  using folder = new TempFolder()
  const clock = { ...systemClock, steady: 5_000_000, monotonic: () => clock.steady }
  const path = folder.file('hits.db')
  const delays = [1, 999, 1000, 1001, 30_000, 30_001, 300_000]
  const left = (passed: number) => delays.filter((delay) => delay > passed).length
  const look = async (queue: HitQueue, passed: number) => {
    const { queued, delayed } = await queue.counts()
    expect([passed, queued, delayed]).toEqual([passed, delays.length - left(passed), left(passed)])
  }
  const wall = 1_800_000_000_123
  const start = clock.steady
  {
    await using queue = openSqliteHitQueue({ path, logger: silentLogger, clock: { ...clock, now: () => wall, monotonic: () => clock.steady } })
    const rest = [...delays]
    queue.start(async () => ({ kind: 'release', delay_ms: rest.shift() ?? 0 }), { concurrency: 1 })
    for (const _ of delays) await queue.enqueue(newJob())
    await until('all wait', async () => rest.length === 0 && (await queue.counts()).active === 0)
    await queue.pause()
    for (const passed of [0, 1, 2, 998, 999, 1000, 1001, 29_999]) {
      clock.steady = start + passed
      await look(queue, passed)
    }
  }
  // As they are counted when the file is opened.
  await using queue = openSqliteHitQueue({ path, logger: silentLogger, clock: { ...clock, now: () => wall + 29_999, monotonic: () => clock.steady } })
  for (const passed of [29_999, 30_000, 30_001, 299_999, 300_000]) {
    clock.steady = start + passed
    await look(queue, passed)
  }
})
