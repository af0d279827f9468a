import { setInterval } from 'node:timers'
import { z } from 'zod'
import { silentLogger } from '#lib/observe/logger.ts'
import type { HitQueue } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { completed, newJob } from './harness.ts'
import { everythingAtOnce } from './hit-queue-torture.ts'

// A process to be killed: `node hit-queue-child.ts MODE STORE`. It prints a line for each thing that happened.

const Store = z.union([z.object({ path: z.string() }), z.object({ host: z.string(), port: z.number(), url: z.string().optional() })])
const store = Store.parse(JSON.parse(process.argv[3] ?? ''))
const options = { logger: silentLogger, clock: systemClock }
const print = (line: string) => process.stdout.write(`${line}\n`)
setInterval(() => {}, 1000)

/** Loads one engine only: a process that lives for a moment should not spend it on the other. */
async function open(): Promise<HitQueue> {
  if ('path' in store) {
    const { openSqliteHitQueue } = await import('#lib/queue/sqlite/open.ts')
    return openSqliteHitQueue({ ...store, ...options })
  }
  const { openRedisHitQueue } = await import('#lib/queue/bullmq/open.ts')
  return openRedisHitQueue({ redis: { ...store, db: 0, queueDb: 1 }, ...options })
}

const modes = {
  /** Enqueues without end, several at a time, and prints each id once it is acknowledged. */
  enqueue: async () => {
    const queue = await open()
    const one = async () => {
      for (;;) print((await queue.enqueue(newJob())).task_id)
    }
    await Promise.all(Array.from({ length: 8 }, one))
  },
  /** Begins attempts and ends none. */
  hang: async () =>
    (await open()).start(
      (job, { attempt }) => {
        print(`${job.task_id} ${attempt}`)
        return new Promise(() => {})
      },
      { concurrency: 1 },
    ),
  /** Is taken down by the first hit it runs. */
  die: async () =>
    (await open()).start(
      async () => {
        process.kill(process.pid, 'SIGKILL')
        return new Promise(() => {})
      },
      { concurrency: 1 },
    ),
  /** Runs hits, and prints each. */
  work: async () =>
    (await open()).start(
      async (job) => {
        print(job.task_id)
        return completed
      },
      { concurrency: 5 },
    ),
  /** Waits for its input to end, then does all that a queue can do at once. */
  torture: async () => {
    for await (const _ of process.stdin);
    await everythingAtOnce(await open(), print)
  },
}
await modes[z.enum(['enqueue', 'hang', 'die', 'work', 'torture']).parse(process.argv[2])]()
