import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { Outage } from '#lib/queue/outage.ts'
import { DEFAULT_MAX_BACKLOG, type HitQueue, MAX_RETRY_DELAY_MS, QueueUnavailableError } from '#lib/queue/port.ts'
import { LogSync } from '#lib/queue/sqlite/log-sync.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { SqliteHitQueue } from '#lib/queue/sqlite/queue.ts'
import { migrate } from '#lib/queue/sqlite/schema.ts'
import { Tally } from '#lib/queue/sqlite/tally.ts'
import { Writer } from '#lib/queue/sqlite/writer.ts'
import { type Clock, systemClock } from '#lib/runtime/clock.ts'
import { FileLockedError, lockFile } from '#lib/sqlite/lock.ts'
import { openDatabase } from '#lib/sqlite/open.ts'
import { completeAll, completed, newJob, recordingLogger, retryIn, TestChild, until } from '../../conformance/harness.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dcm-hits-'))
  path = join(folder, 'hits.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const HOUR = 3_600_000
const open = (clock: Clock = systemClock): HitQueue => openSqliteHitQueue({ path, logger: silentLogger, clock })

/** A clock whose times a test sets; its sleeps are real. */
function heldClock(): Clock & { wall: number; steady: number } {
  const clock = { ...systemClock, wall: 1_800_000_000_000, steady: 1000, now: () => clock.wall, monotonic: () => clock.steady }
  return clock
}

test('a result and its key are kept for exactly an hour after the end', async () => {
  const clock = heldClock()
  await using queue = open(clock)
  const job = newJob()
  const key = { idempotencyKey: 'k' }
  await queue.enqueue(job, key)
  // However long it waited.
  clock.wall += 30 * HOUR
  expect(await queue.enqueue(newJob(), key)).toEqual({ task_id: job.task_id, duplicate: true })
  queue.start(async () => completed, { concurrency: 1 })
  await queue.waitForEnd(job.task_id, AbortSignal.timeout(5000))
  clock.wall += HOUR - 1
  expect(await queue.find(job.task_id)).toMatchObject({ status: 'completed' })
  expect(await queue.enqueue(newJob(), key)).toEqual({ task_id: job.task_id, duplicate: true })
  clock.wall += 1
  expect(await queue.find(job.task_id)).toBeUndefined()
  expect((await queue.enqueue(newJob(), key)).duplicate).toBe(false)
})

test('the key of a task that is queued again means it until an hour after its last end', async () => {
  const clock = heldClock()
  await using queue = open(clock)
  const job = newJob()
  const key = { idempotencyKey: 'k' }
  let ends = 0
  queue.start(
    async () => {
      ends += 1
      return completed
    },
    { concurrency: 1 },
  )
  await queue.enqueue(job, key)
  await until('it has ended', async () => (await queue.counts()).completed === 1)
  clock.wall += HOUR - 1
  await queue.pause()
  expect(await queue.retry(job.task_id)).toBe('retried')
  clock.wall += 5 * HOUR
  expect(await queue.enqueue(newJob(), key)).toEqual({ task_id: job.task_id, duplicate: true })
  await queue.resume()
  await until('it has ended again', async () => ends === 2 && (await queue.counts()).completed === 1)
  clock.wall += HOUR - 1
  expect(await queue.enqueue(newJob(), key)).toEqual({ task_id: job.task_id, duplicate: true })
  expect(await queue.counts()).toMatchObject({ completed: 1 })
  clock.wall += 1
  // Hidden and not counted from then on, though it is not purged yet; and nothing to be queued again.
  expect(await queue.counts()).toMatchObject({ completed: 0 })
  expect(await queue.list({ state: 'completed', limit: 10 })).toEqual({ hits: [] })
  expect(await queue.retry(job.task_id)).toBe('unknown')
  expect((await queue.enqueue(newJob(), key)).duplicate).toBe(false)
})

test('what has expired is removed from the file', async () => {
  const clock = heldClock()
  {
    await using queue = open(clock)
    queue.start(async () => completed, { concurrency: 10 })
    const jobs = Array.from({ length: 450 }, () => newJob())
    await Promise.all(jobs.map((job) => queue.enqueue(job, { idempotencyKey: job.task_id })))
    for (const { task_id } of jobs) await queue.waitForEnd(task_id, AbortSignal.timeout(5000))
  }
  const rows = () => {
    const db = new Database(path, { readonly: true })
    const counts = db
      .prepare<[], { n: number }>(
        'SELECT (SELECT count(*) FROM outcome) + (SELECT count(*) FROM idempotency) + (SELECT count(*) FROM hit) + (SELECT count(*) FROM payload) AS n',
      )
      .get()
    db.close()
    return counts?.n
  }
  expect(rows()).toBe(1800)
  clock.wall += HOUR
  await using _queue = open(clock)
  await until('all rows are gone', () => rows() === 0)
})

test('a jump of the wall clock neither holds a hit back nor ends what runs', async () => {
  const clock = heldClock()
  await using queue = open(clock)
  const gate = Promise.withResolvers<void>()
  const ran: string[] = []
  queue.start(
    async ({ task_id }, { signal }) => {
      ran.push(task_id)
      await gate.promise
      expect(signal.aborted).toBe(false)
      return completed
    },
    { concurrency: 2 },
  )
  const [before, back] = [newJob(), newJob()]
  await queue.enqueue(before)
  await until('it runs', () => ran.length === 1)
  clock.wall += 5 * HOUR
  clock.wall -= 10 * HOUR
  await queue.enqueue(back)
  await until('the next runs too', () => ran.length === 2)
  gate.resolve()
  expect(await queue.waitForEnd(before.task_id, AbortSignal.timeout(5000))).toMatchObject({ status: 'completed', attempts: 1 })
})

test('hits that were taken by a clock that was ahead run after a restart', async () => {
  const clock = heldClock()
  const job = newJob()
  {
    await using queue = open(clock)
    await queue.enqueue(job)
  }
  clock.wall -= 5 * HOUR
  await using queue = open(clock)
  queue.start(async () => completed, { concurrency: 1 })
  expect(await queue.waitForEnd(job.task_id, AbortSignal.timeout(5000))).toMatchObject({ status: 'completed' })
})

const runAt = (): Map<string, number> => {
  const db = new Database(path, { readonly: true })
  const rows = db.prepare<[], { task_id: string; run_at: number }>('SELECT task_id, at AS run_at FROM hit').all()
  db.close()
  return new Map(rows.map(({ task_id, run_at }) => [task_id, run_at]))
}

test('a retry that was put back by a clock that was ahead waits no longer than a retry may; others keep their time', async () => {
  const clock = heldClock()
  const [far, near] = [newJob(), newJob()]
  const delays = new Map([
    [far.task_id, 300_000],
    [near.task_id, 200_000],
  ])
  {
    await using queue = open(clock)
    queue.start(async ({ task_id }) => retryIn(delays.get(task_id) ?? 0), { concurrency: 2 })
    await queue.enqueue(far)
    await queue.enqueue(near)
    await until('both wait', async () => (await queue.health()).counts?.delayed === 2)
  }
  const start = clock.wall
  clock.wall -= 100_000
  {
    await using _queue = open(clock)
    expect(runAt()).toEqual(
      new Map([
        [far.task_id, clock.wall + MAX_RETRY_DELAY_MS],
        [near.task_id, start + 200_000],
      ]),
    )
  }
  clock.wall -= 24 * HOUR
  await using _queue = open(clock)
  expect([...runAt().values()]).toEqual([clock.wall + MAX_RETRY_DELAY_MS, clock.wall + MAX_RETRY_DELAY_MS])
})

test('a hit whose worker died is due at once, though its clock was ahead', async () => {
  const job = newJob()
  {
    await using queue = open()
    await queue.enqueue(job)
  }
  {
    await using child = new TestChild(JSON.stringify({ path }), 'hang')
    await until('it runs', () => child.lines.length === 1)
  }
  const clock = { ...systemClock, now: () => Date.now() - 5 * HOUR }
  await using queue = open(clock)
  queue.start(async () => completed, { concurrency: 1 })
  expect(await queue.waitForEnd(job.task_id, AbortSignal.timeout(5000))).toMatchObject({ status: 'completed' })
})

test('a write that failed on the disk may be there all the same; what SQLite refused is not', async () => {
  const db = openDatabase(path)
  const closed = new AbortController().signal
  const outage = new Outage({ logger: silentLogger, clock: systemClock, part: 'embedded', store: 'it', closed })
  const writer = new Writer({ db, log: new LogSync({ db, clock: systemClock }), probe: () => {}, outage, tally: new Tally() })
  const failing = (code: string) =>
    writer.write(() => {
      throw new Database.SqliteError('it failed', code)
    })
  await expect(failing('SQLITE_IOERR_FSYNC')).rejects.toMatchObject({ name: 'QueueUnavailableError', outcome: 'unknown' })
  for (const code of ['SQLITE_FULL', 'SQLITE_BUSY', 'SQLITE_READONLY']) await expect(failing(code)).rejects.toMatchObject({ outcome: 'refused' })
  db.close()
  await expect(failing('SQLITE_FULL')).rejects.toMatchObject({ outcome: 'refused', message: 'The hit queue is closed' })
})

test('a second process is refused the file, by name', async () => {
  await using child = new TestChild(JSON.stringify({ path }), 'enqueue')
  await until('the child has it', () => child.lines.length > 0)
  expect(() => open()).toThrow(FileLockedError)
  expect(() => open()).toThrow(/held by the worker with process id \d+/)
})

test('a file that is no database is left as it is, and the error says what to do', async () => {
  writeFileSync(path, 'not a database, '.repeat(100))
  expect(() => open()).toThrow(/hits\.db.*(SQLITE_NOTADB).*left as it is/)
  expect(readFileSync(path, 'utf8')).toBe('not a database, '.repeat(100))
  rmSync(path)
  await open()[Symbol.asyncDispose]()
})

test('a file of a newer version is left as it is', async () => {
  await open()[Symbol.asyncDispose]()
  const db = new Database(path)
  db.pragma('user_version = 99')
  db.close()
  expect(() => open()).toThrow(/schema is version 99, this program knows up to \d+/)
})

test('a full disk refuses hits, says so once, and takes them again when there is room', async () => {
  const { logger, lines } = recordingLogger()
  const lock = lockFile(path, 'worker')
  const db = openDatabase(path)
  migrate(db, path)
  await using queue = new SqliteHitQueue({ db, lock, maxBacklog: DEFAULT_MAX_BACKLOG, logger, clock: systemClock })
  db.pragma(`max_page_count = ${db.pragma('page_count', { simple: true })}`)
  const big = () => newJob({ request: { body: 'x'.repeat(50_000) } })
  for (let time = 0; time < 5; time += 1) await expect(queue.enqueue(big())).rejects.toThrow(QueueUnavailableError)
  await expect(queue.enqueue(big())).rejects.toMatchObject({ outcome: 'refused', message: expect.stringMatching(/hits\.db.*SQLITE_FULL/) })
  // Those that share a commit with it are refused too, and counted nowhere.
  const shared = await Promise.allSettled([newJob(), newJob(), big()].map((job) => queue.enqueue(job)))
  expect(shared.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(await queue.counts()).toMatchObject({ queued: 0 })
  db.pragma('max_page_count = 100000')
  await queue.enqueue(big())
  expect(await queue.counts()).toMatchObject({ queued: 1 })
  expect(lines.map(({ msg }) => msg)).toEqual([expect.stringMatching(/^\[embedded\] .*full/), expect.stringContaining('is back after')])
})

test('a hit that is taken in the moment of a drain is kept, and not begun', async () => {
  await using queue = open()
  const ran = completeAll(queue, 1)
  const job = newJob()
  // Until the look at the start is over.
  await queue.health()
  const taken = queue.enqueue(job)
  await queue.drain(AbortSignal.timeout(5000))
  await taken
  expect(await queue.find(job.task_id)).toMatchObject({ status: 'queued' })
  expect(ran).toEqual([])
})

test('a closed queue says that it is closed', async () => {
  const queue = open()
  await queue[Symbol.asyncDispose]()
  await expect(queue.enqueue(newJob())).rejects.toThrow(QueueUnavailableError)
  await expect(queue.find(newJob().task_id)).rejects.toThrow('The hit queue is closed')
})
