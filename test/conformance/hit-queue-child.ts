import { setInterval } from 'node:timers'
import { z } from 'zod'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { completed, newJob } from './harness.ts'

// A process to be killed: `node hit-queue-child.ts MODE STORE`. It prints a line for each thing that happened.

const Store = z.union([z.object({ path: z.string() }), z.object({ host: z.string(), port: z.number() })])
const store = Store.parse(JSON.parse(process.argv[3] ?? ''))
const options = { logger: silentLogger, clock: systemClock }
const queue = 'path' in store ? openSqliteHitQueue({ ...store, ...options }) : await openRedisHitQueue({ redis: { ...store, db: 0, queueDb: 1 }, ...options })
const print = (line: string) => process.stdout.write(`${line}\n`)
setInterval(() => {}, 1000)

const modes = {
  /** Enqueues without end, several at a time, and prints each id once it is acknowledged. */
  enqueue: async () => {
    const one = async () => {
      for (;;) print((await queue.enqueue(newJob())).task_id)
    }
    await Promise.all(Array.from({ length: 8 }, one))
  },
  /** Begins attempts and ends none. */
  hang: () =>
    queue.start(
      (job, { attempt }) => {
        print(`${job.task_id} ${attempt}`)
        return new Promise(() => {})
      },
      { concurrency: 1 },
    ),
  /** Is taken down by the first hit it runs. */
  die: () =>
    queue.start(
      async () => {
        process.kill(process.pid, 'SIGKILL')
        return new Promise(() => {})
      },
      { concurrency: 1 },
    ),
  /** Runs hits, and prints each. */
  work: () =>
    queue.start(
      async (job) => {
        print(job.task_id)
        return completed
      },
      { concurrency: 5 },
    ),
}
await modes[z.enum(['enqueue', 'hang', 'die', 'work']).parse(process.argv[2])]()
