import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type HitResult, HitResultSchema, isFinalStatus } from '#lib/contract/hit.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { Dice } from '#test/_support/dice.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { completed, until } from '../../conformance/harness.ts'

/** 200 in a long run. */
const KILLS = Number(process.env.HIT_TORTURE_KILLS || 20)

const LineSchema = z.union([z.tuple([z.enum(['ack', 'again']), z.string()]), z.tuple([z.literal('result'), z.string(), z.string()])])

/** What was said of the hits before each kill. */
class Ledger {
  readonly acknowledged = new Set<string>()
  /** Queued again by hand: these may end twice, in two ways. */
  readonly again = new Set<string>()
  readonly results = new Map<string, HitResult>()

  /** Takes a line, unless the kill cut it short; fails where a task has another result than the one told before. */
  take(text: string): void {
    if (!text.endsWith(']')) return
    const [what, taskId, json] = LineSchema.parse(JSON.parse(text))
    if (what === 'ack') this.acknowledged.add(taskId)
    else if (what === 'again') this.again.add(taskId)
    else this.tell(taskId, HitResultSchema.parse(JSON.parse(json ?? '')))
  }

  tell(taskId: string, result: HitResult): void {
    if (this.again.has(taskId)) return
    const before = this.results.get(taskId)
    if (before === undefined) this.results.set(taskId, result)
    else expect(result, `${taskId} has a second result`).toEqual(before)
  }
}

/** A worker that is ready to begin: what loading it costs passes while the one before still lives. */
function spawnWorker(path: string): ChildProcess {
  return spawn(process.execPath, ['test/conformance/hit-queue-child.ts', 'torture', JSON.stringify({ path })], { stdio: ['pipe', 'pipe', 'inherit'] })
}

/** Whether the file is whole, as the kill left it: on a copy, since a look at it would tidy up. */
function integrity(path: string, copy: string): unknown {
  for (const end of ['', '-wal']) if (existsSync(path + end)) copyFileSync(path + end, copy + end)
  const db = new Database(copy)
  try {
    return db.pragma('integrity_check', { simple: true })
  } finally {
    db.close()
  }
}

test(`killed ${KILLS} times at random: every acknowledged hit ends, none with two results, and the file is whole`, {
  timeout: 60_000 + KILLS * 5000,
}, async () => {
  using folder = new TempFolder()
  const path = folder.file('hits.db')
  const dice = new Dice()
  const ledger = new Ledger()
  let next: ChildProcess | undefined = spawnWorker(path)
  try {
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const child = next ?? spawnWorker(path)
      let lines = 0
      const closed = once(child, 'close')
      if (child.stdout === null) throw new Error('the worker has no output')
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines += 1
        ledger.take(line)
      })
      child.stdin?.end()
      await until(`worker ${kill} works`, () => lines > 20)
      next = kill < KILLS ? spawnWorker(path) : undefined
      await sleep(dice.whole(0, 250))
      child.kill('SIGKILL')
      await closed
      expect(integrity(path, folder.file('copy.db'))).toBe('ok')
    }
  } finally {
    next?.kill('SIGKILL')
  }

  const queue = openSqliteHitQueue({ path, logger: silentLogger, clock: systemClock })
  await queue.resume()
  queue.start(async () => completed, { concurrency: 20 })
  for (const taskId of ledger.acknowledged) {
    const result = await queue.waitForEnd(taskId, AbortSignal.timeout(30_000))
    expect(result, `${taskId} is unknown`).toBeDefined()
    if (result === undefined || !isFinalStatus(result.status)) throw new Error(`${taskId} has not ended: ${JSON.stringify(result)}`)
    ledger.tell(taskId, result)
  }
  // By then nothing else is left either: what was queued and not acknowledged has ended too.
  await until('nothing is left', async () => {
    const { queued, active, delayed } = await queue.counts()
    return queued + active + delayed === 0
  })
  expect(ledger.acknowledged.size).toBeGreaterThan(KILLS * 10)
  expect(ledger.results.size).toBeGreaterThan(KILLS)
  await queue[Symbol.asyncDispose]()
  expect(integrity(path, folder.file('copy.db'))).toBe('ok')
})
