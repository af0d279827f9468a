import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { HealthSchema } from '#lib/contract/health.ts'
import { linesWith } from '#test/_support/said.ts'
import { startService } from '#test/_support/system.ts'
import { HitLedger } from './hit-ledger.ts'
import { openNumberingTarget } from './numbering-target.ts'
import { configure, embedded, kill, type Store, startWorker } from './worker-on.ts'

const soon = { timeout: 20_000, interval: 20 }
/** Leaves a queue with an acknowledged hit in it, as a killed worker does. */
async function leaveHit(store: Store, ledger: HitLedger): Promise<void> {
  await using target = await openNumberingTarget()
  target.hold()
  await using worker = await startWorker(store)
  await configure(worker, { url: target.url })
  expect(await ledger.post(worker.port)).toBe(true)
  await kill(worker)
}

test('a full disk: hits are refused, what was acknowledged can be read, and all of it ends when there is room again', { timeout: 60_000 }, async () => {
  await using store = await embedded()
  await using target = await openNumberingTarget()
  await using worker = await startWorker(store)
  await configure(worker, { url: target.url })
  const ledger = new HitLedger()
  expect(await ledger.post(worker.port)).toBe(true)
  await ledger.allEnd(worker.port, 15_000)
  target.hold()
  for (let hit = 0; hit < 5; hit += 1) expect(await ledger.post(worker.port)).toBe(true)
  await vi.waitFor(() => expect(target.held).toBe(5), soon)

  // A limit on the size of files is a full disk that needs no root. Node ignores SIGXFSZ: the write fails.
  const limitFiles = (bytes: string) => execFileSync('prlimit', ['--pid', String(worker.process.pid), `--fsize=${bytes}:`])
  limitFiles('4096')
  for (let hit = 0; hit < 3; hit += 1) expect(await ledger.post(worker.port)).toBe(false)
  // These end now, and cannot be written down.
  target.release()
  await vi.waitFor(() => expect(linesWith(worker.process, 'hit completed with 200')).toHaveLength(6), soon)
  for (const taskId of ledger.acknowledged) expect(await ledger.read(worker.port, taskId)).toBeDefined()
  expect(ledger.results.size).toBe(1)
  await vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${worker.port}/ready`)).status).toBe(503), soon)
  const { data: health } = z.object({ data: HealthSchema }).parse(await (await fetch(`http://127.0.0.1:${worker.port}/health`)).json())
  expect([health.status, health.warnings.join()]).toEqual(['degraded', expect.stringContaining('hits.db')])

  limitFiles('unlimited')
  await vi.waitFor(async () => expect(await ledger.post(worker.port)).toBe(true), soon)
  await ledger.allEnd(worker.port, 15_000)
  for (const result of ledger.results.values()) expect(result).toMatchObject({ status: 'completed', attempts: 1 })
  // Written down late, and not made again; of those that were refused none was made.
  expect([...target.answers.keys()].sort()).toEqual([...ledger.acknowledged].sort())
  expect([...target.answers.values()].every(({ length }) => length === 1)).toBe(true)
  expect(linesWith(worker.process, 'cannot be used')).toHaveLength(1)
  expect(linesWith(worker.process, 'is back after')).toHaveLength(1)
})

test('a second worker on the queue stops with exit code 75 and names the first, which goes on', { timeout: 60_000 }, async () => {
  await using store = await embedded()
  await using target = await openNumberingTarget()
  await using first = await startWorker(store)
  await configure(first, { url: target.url })
  await using second = startService('worker', store.env)
  expect(await second.ended).toEqual({ code: 75, signal: null })
  expect(second.stderr).toMatch(
    new RegExp(`^\\[init\\] Cannot start: cannot use ".*hits\\.db": it is held by the worker with process id ${first.process.pid} on host .*\\n$`),
  )
  const ledger = new HitLedger()
  expect(await ledger.post(first.port)).toBe(true)
  await ledger.allEnd(first.port, 15_000)
})

/** Ways in which a queue's file cannot be used: what is done to it, and what a worker says. */
const unusable: readonly (readonly [what: string, damage: (file: string) => void, says: RegExp])[] = [
  ['that is overwritten', (file) => writeFileSync(file, 'not a database, '.repeat(4096)), /SQLITE_NOTADB/],
  [
    'that may only be read',
    // What SQLite takes for a file of a newer version that it may read and not write: root may write every other.
    (file) => {
      const bytes = readFileSync(file)
      bytes[18] = 3
      bytes[19] = 1
      writeFileSync(file, bytes)
    },
    /SQLITE_READONLY/,
  ],
]

test.each(unusable)(
  'a queue %s: the worker stops with exit code 78 and one line, and leaves the file as it is',
  { timeout: 60_000 },
  async (_what, damage, says) => {
    await using store = await embedded()
    const ledger = new HitLedger()
    await leaveHit(store, ledger)
    // Into the file itself: what a killed worker leaves in its log would hide the damage.
    {
      await using worker = await startWorker(store, { HIT_TARGETS: 'public' })
      worker.process.signal('SIGTERM')
      await worker.process.ended
    }
    const file = store.folder.file('hits.db')
    const whole = readFileSync(file)
    damage(file)
    const damaged = readFileSync(file)
    await using worker = startService('worker', store.env)
    expect(await worker.ended).toEqual({ code: 78, signal: null })
    expect(worker.stderr).toMatch(/^\[init\] Cannot start: [^\n]*hits\.db[^\n]*\n$/)
    expect(worker.stderr).toMatch(says)
    expect(readFileSync(file).equals(damaged)).toBe(true)
    // Put back, it holds what it held.
    writeFileSync(file, whole)
    await using again = await startWorker(store)
    expect(await ledger.read(again.port, [...ledger.acknowledged][0] ?? '')).toBeDefined()
  },
)
