import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFinalStatus } from '#lib/contract/hit.ts'
import type { HitProcessor, HitQueue } from '#lib/queue/port.ts'
import { completed, failed, newJob, tried } from './harness.ts'

/** What a line of the torture says: an id was acknowledged, is about to be queued again by hand, or has a final result. */
export type TortureLine = readonly ['ack' | 'again', taskId: string] | readonly ['result', taskId: string, json: string]

const chance = (percent: number): boolean => randomInt(100) < percent

/** Ends each hit in one way or another; no two ends are alike, so that a second end of the same task shows. */
const process: HitProcessor = async (_job, { attempt }) => {
  await sleep(randomInt(4))
  if (chance(10) && attempt < 4) return { kind: 'retry', delay_ms: randomInt(20), tried: tried(attempt) }
  if (chance(5)) return { kind: 'release', delay_ms: randomInt(3) }
  const end = chance(20) ? failed : completed
  if (end.kind !== 'final') throw new Error('no end')
  return { ...end, result: { ...end.result, body: `${attempt}: ${Math.random()}` }, tried: tried(attempt) }
}

/** Enqueues, runs, ends, reads and retries hits without end, several at a time, and prints {@link TortureLine}s as JSON. */
export async function everythingAtOnce(queue: HitQueue, print: (line: string) => void): Promise<void> {
  const say = (...line: TortureLine) => print(JSON.stringify(line))
  const known: string[] = []
  await queue.resume()
  queue.start(process, { concurrency: 8 })
  const read = async (taskId: string) => {
    const found = chance(50) ? await queue.find(taskId) : await queue.waitForEnd(taskId, AbortSignal.timeout(100))
    if (found !== undefined && isFinalStatus(found.status)) say('result', taskId, JSON.stringify(found))
    return found?.status
  }
  const caller = async () => {
    for (;;) {
      const jobs = Array.from({ length: chance(10) ? 5 : 1 }, () => newJob({ request: { body: 'x'.repeat(chance(5) ? 20_000 : 10) } }))
      const [job = newJob()] = jobs
      if (jobs.length > 1) await queue.enqueueMany(jobs)
      const ids =
        jobs.length > 1 ? jobs.map(({ task_id }) => task_id) : [(await queue.enqueue(job, chance(30) ? { idempotencyKey: `${randomInt(500)}` } : {})).task_id]
      for (const id of ids) {
        say('ack', id)
        known.push(id)
      }
      const some = known[randomInt(known.length)] ?? job.task_id
      if ((await read(some)) === 'failed' && chance(30)) {
        say('again', some)
        await queue.retry(some)
      }
      if (chance(1)) await queue.pause().then(() => queue.resume())
      if (chance(2)) await queue.list({ state: 'failed', limit: 10 })
    }
  }
  await Promise.all(Array.from({ length: 6 }, caller))
}
