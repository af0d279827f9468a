import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, statSync } from 'node:fs'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { DEFAULT_MAX_BACKLOG, QueueUnavailableError } from '#lib/queue/port.ts'
import { SqliteHitQueue, type SqliteHitQueueParts } from '#lib/queue/sqlite/queue.ts'
import { migrate } from '#lib/queue/sqlite/schema.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { lockFile } from '#lib/sqlite/lock.ts'
import { openDatabase } from '#lib/sqlite/open.ts'
import { parseTrace, type SystemCall } from '#test/_support/system-calls.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { completeAll, completed, newJob, recordingLogger, until } from '../../conformance/harness.ts'

type Synced = (error: Error | null) => void

/** A queue in a folder of the test's own, with what a test brings. */
function open(folder: TempFolder, parts: Partial<SqliteHitQueueParts> = {}): SqliteHitQueue {
  const path = folder.file('hits.db')
  const lock = lockFile(path, 'worker')
  const db = openDatabase(path)
  migrate(db, path)
  return new SqliteHitQueue({ db, lock, maxBacklog: DEFAULT_MAX_BACKLOG, logger: silentLogger, clock: systemClock, ...parts })
}

/** A disk whose syncs end when the test says so. */
function heldDisk() {
  const syncs: Synced[] = []
  const sync = (_fd: number, synced: Synced) => void syncs.push(synced)
  /** Ends the sync that runs, and lets all who wait for it go on. */
  const end = async (error: Error | null = null) => {
    await until('a sync runs', () => syncs.length > 0)
    syncs.shift()?.(error)
  }
  return { sync, syncs, end }
}

test('a hit begins before the disk has it, and is acknowledged and told as ended only after', async () => {
  using folder = new TempFolder()
  const disk = heldDisk()
  await using queue = open(folder, disk)
  const ran = completeAll(queue, 1)
  const job = newJob()
  const said: string[] = []
  const enqueued = queue.enqueue(job).then(() => said.push('enqueued'))
  await until('it ran', () => ran.length === 1)
  const ended = queue.waitForEnd(job.task_id, AbortSignal.timeout(10_000)).then((result) => said.push(result?.status ?? 'unknown'))
  // The event loop is free meanwhile, and nobody is told anything.
  await until('it has ended', async () => (await queue.counts()).completed === 1)
  const listed = queue.list({ state: 'completed', limit: 1 }).then(({ hits }) => said.push(`${hits.length} listed`))
  expect(said).toEqual([])
  await disk.end()
  await until('it is acknowledged', () => said.length > 0)
  expect(said).toEqual(['enqueued'])
  // What ended after that sync began waits for the next one.
  await disk.end()
  await Promise.all([enqueued, ended, listed])
  expect(said.toSorted()).toEqual(['1 listed', 'completed', 'enqueued'])
  while (disk.syncs.length > 0) await disk.end()
})

test('all that is committed while a sync runs shares the next one', async () => {
  using folder = new TempFolder()
  const disk = heldDisk()
  await using queue = open(folder, disk)
  let acknowledged = 0
  const first = queue.enqueue(newJob())
  await until('a sync runs', () => disk.syncs.length === 1)
  const rest = Promise.all(
    Array.from({ length: 200 }, async () => {
      await queue.enqueue(newJob())
      acknowledged += 1
    }),
  )
  await until('all are committed', async () => (await queue.counts()).queued === 201)
  await disk.end()
  await first
  expect(acknowledged).toBe(0)
  await disk.end()
  await rest
  expect(disk.syncs).toEqual([])
})

test('a sync that fails: nobody knows, one log line, and what the log holds is written to the file before it is good again', async () => {
  using folder = new TempFolder()
  const { logger, lines } = recordingLogger()
  let failing = true
  const sync = (_fd: number, synced: Synced) => queueMicrotask(() => synced(failing ? new Error('EIO: i/o error, fdatasync') : null))
  await using queue = open(folder, { logger, sync })
  const job = newJob()
  for (const hit of [job, newJob()]) {
    const error = await queue.enqueue(hit).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(QueueUnavailableError)
    expect(error).toMatchObject({ outcome: 'unknown', message: expect.stringMatching(/hits\.db" cannot be synced to the disk: .*EIO/) })
  }
  expect(await queue.health()).toMatchObject({ ok: false, warnings: [expect.stringContaining('EIO')] })
  failing = false
  await queue.enqueue(newJob())
  expect(await queue.health()).toMatchObject({ ok: true })
  // The file itself has it, without its log.
  copyFileSync(folder.file('hits.db'), folder.file('copy.db'))
  const file = new Database(folder.file('copy.db'))
  expect(file.prepare('SELECT state FROM hit WHERE task_id = ?').pluck().get(job.task_id)).toBe('fresh')
  file.close()
  expect(lines.map(({ msg }) => msg)).toEqual([expect.stringMatching(/cannot be used: .*EIO/), expect.stringContaining('is back after')])
})

test('an end that could not be synced is told once it is', async () => {
  using folder = new TempFolder()
  let failing = false
  const sync = (_fd: number, synced: Synced) => queueMicrotask(() => synced(failing ? new Error('EIO') : null))
  await using queue = open(folder, { sync })
  const job = newJob()
  await queue.enqueue(job)
  failing = true
  completeAll(queue, 1)
  const waiting = new AbortController()
  const told: unknown[] = []
  const ended = queue.waitForEnd(job.task_id, waiting.signal).then((result) => told.push(result))
  await until('it has ended', async () => (await queue.counts()).completed === 1)
  await expect(queue.find(job.task_id)).rejects.toBeInstanceOf(QueueUnavailableError)
  expect(told).toEqual([])
  failing = false
  await ended
  expect(told).toMatchObject([{ status: 'completed' }])
})

test('a disk that does not answer hangs nobody', { timeout: 20_000 }, async () => {
  using folder = new TempFolder()
  const disk = heldDisk()
  const { logger, lines } = recordingLogger()
  await using queue = open(folder, { ...disk, logger })
  const start = performance.now()
  await expect(queue.enqueue(newJob())).rejects.toMatchObject({ name: 'QueueUnavailableError', outcome: 'unknown' })
  expect(performance.now() - start).toBeGreaterThan(900)
  await expect(queue.enqueue(newJob())).rejects.toMatchObject({ outcome: 'unknown' })
  expect((await queue.health()).ok).toBe(false)
  expect(lines.map(({ msg }) => msg)).toEqual([expect.stringContaining('the disk has not taken it')])
  await disk.end()
  await disk.end()
  const later = queue.enqueue(newJob())
  await disk.end()
  await later
  expect(lines.map(({ msg }) => msg).slice(1)).toEqual([expect.stringContaining('is back after')])
})

const toLog = ({ args }: SystemCall) => args.includes('hits.db-wal>')
const isWrite = ({ name }: SystemCall) => name.includes('write')
const isSync = ({ name, result }: SystemCall) => /^f(data)?sync$/.test(name) && result === 0

test('no id is acknowledged before the log was synced: the system calls show it', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  if (spawnSync('strace', ['-V']).error) throw new Error('Cannot trace the worker: strace is not on the PATH; install it (apt-get install -y strace)')
  const trace = folder.file('trace')
  const command = [process.execPath, 'test/conformance/hit-queue-child.ts', 'enqueue', JSON.stringify({ path: folder.file('hits.db') })]
  const strace = ['-D', '-f', '-y', '-s', '4096', '-e', 'trace=fsync,fdatasync,write,pwrite64', '-e', 'signal=none', '-o', trace]
  // The tracer is a process beside it (-D), so that the kill is for the worker and the trace is whole.
  const child = spawn('strace', [...strace, ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  await until('some are acknowledged', () => printed.length > 30 * 37, 50_000)
  child.kill('SIGKILL')
  await closed

  const calls = parseTrace(readFileSync(trace, 'utf8'))
  // Not the last ones, which the kill may have met.
  for (const id of printed.split('\n').slice(0, 25)) {
    const said = calls.find((call) => isWrite(call) && !toLog(call) && call.args.includes(`"${id}`))
    const written = calls.find((call) => isWrite(call) && toLog(call) && call.args.includes(id))
    expect([said?.result, written?.result]).toEqual([37, 4096])
    const synced = calls.some((call) => isSync(call) && toLog(call) && call.began > (written?.returned ?? 0) && call.returned < (said?.began ?? 0))
    expect(synced, `${id} was acknowledged at line ${said?.began} of the trace, written at ${written?.returned}, and not synced in between`).toBe(true)
  }
})

test('the log stays short under constant writes, and comes down again after a reader has held it', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  const frame = 4096 + 24
  const logLimits = { writeFrom: 50, longest: 200, few: 50, tooMany: 800 }
  const queue = open(folder, { logLimits })
  const size = () => statSync(folder.file('hits.db-wal')).size / frame
  let longest = 0
  let writing = true
  const write = async () => {
    while (writing) {
      await queue.enqueue(newJob({ request: { body: 'x'.repeat(3000) } }))
      longest = Math.max(longest, size())
    }
  }
  const writers = Promise.all(Array.from({ length: 4 }, write))
  const queued = (more: number) => until(`${more} more are queued`, async () => (await queue.counts()).queued >= more, 30_000)
  try {
    await queued(1500)
    // As many as may be too many, and what one commit adds.
    expect(longest).toBeLessThan(1000)

    // A backup, say: it keeps what it reads.
    const reader = new Database(folder.file('hits.db'))
    reader.exec('BEGIN')
    const seen = reader.prepare('SELECT count(*) FROM hit').pluck().get()
    await queued((await queue.counts()).queued + 1000)
    expect(longest).toBeGreaterThan(1000)
    expect(reader.prepare('SELECT count(*) FROM hit').pluck().get()).toBe(seen)
    reader.exec('COMMIT')
    reader.close()
    // It is made to begin anew, and what it was longer than it may be is given back.
    await until('the log is short again', () => size() < 400, 30_000)
  } finally {
    writing = false
    await writers
  }
  const { queued: all } = await queue.counts()
  await queue[Symbol.asyncDispose]()
  const db = new Database(folder.file('hits.db'))
  expect([db.pragma('integrity_check', { simple: true }), db.prepare('SELECT count(*) FROM hit').pluck().get()]).toEqual(['ok', all])
  db.close()
})

test('hits end while the log cannot be written to its file', { timeout: 30_000 }, async () => {
  using folder = new TempFolder()
  const { logger, lines } = recordingLogger()
  const queue = open(folder, { logger, logLimits: { writeFrom: 1, longest: 2, few: 1, tooMany: 3 } })
  queue.start(async () => completed, { concurrency: 3 })
  // Another program checkpoints without end: this one's checkpoints find it busy, and the writers are not held up for good.
  const other = new Database(folder.file('hits.db'))
  other.exec('BEGIN')
  other.prepare('SELECT count(*) FROM hit').get()
  const jobs = Array.from({ length: 20 }, () => newJob())
  for (const job of jobs) await queue.enqueue(job)
  for (const { task_id } of jobs) expect(await queue.waitForEnd(task_id, AbortSignal.timeout(10_000))).toMatchObject({ status: 'completed' })
  other.close()
  await queue[Symbol.asyncDispose]()
  expect(lines.filter(({ level }) => level >= 50)).toEqual([])
})
