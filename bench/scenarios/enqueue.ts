import { join } from 'node:path'
import { Child } from '../support/child.ts'
import { hitUrl } from '../support/payloads.ts'
import { addJobs, openInserts, openQueue, openRawQueue, runInserts } from '../support/protocol.ts'
import type { Bench, Scenario } from '../support/scenario.ts'
import { interleave, summary } from '../support/stats.ts'

const CONCURRENCY = 100

/** Adds jobs in a child and checks that they are in the queue. */
async function add(child: Child, jobs: number, queuedBefore: number): Promise<number> {
  const { count, seconds, queued } = await child.call(addJobs, { jobs, concurrency: CONCURRENCY })
  if (queued !== queuedBefore + jobs) throw new Error(`${queued} jobs are queued after ${jobs} were added to ${queuedBefore}`)
  return count / seconds
}

/** Both engines at their port, where nothing but the queue costs. */
export const enqueue: Scenario = {
  name: 'enqueue',
  async run(bench) {
    const rounds = bench.quick ? 3 : 7
    const jobs = bench.quick ? 2000 : 6000
    const folder = bench.folder()
    await using embedded = new Child('queue-port')
    await embedded.call(openQueue, { engine: 'embedded', path: join(folder, 'hits.db') })
    let queued = 0
    const intoFile = async () => {
      const rate = await add(embedded, jobs, queued)
      queued += jobs
      return rate
    }
    await intoFile()

    await using inserts = new Child('raw-inserts')
    const json = JSON.stringify({ task_id: '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10', url: hitUrl, config_version: 7, enqueued_at: Date.now() })
    await inserts.call(openInserts, { path: join(folder, 'raw.db'), row: 'hit', json })
    const intoRawFile = async () => {
      const { count, seconds } = await inserts.call(runInserts, { ms: bench.quick ? 300 : 600 })
      return count / seconds
    }
    const besideInserts = summary(await interleave(rounds, intoFile, intoRawFile))
    return [
      ...(await besideBullmq(bench, rounds, jobs, intoFile)),
      {
        name: `enqueue, embedded, ${CONCURRENCY} at once`,
        unit: '/s',
        ...besideInserts,
        against: 'raw inserts, one commit each',
        bound: { kind: 'at least', of: 'ratio', value: 2 },
      },
    ]
  },
}

/** What needs Redis: both engines beside BullMQ's own `add`. */
async function besideBullmq(bench: Bench, rounds: number, jobs: number, intoFile: () => Promise<number>): ReturnType<Scenario['run']> {
  const { redis } = bench
  if (redis === undefined) {
    bench.leaveOut('enqueue beside raw BullMQ: redis-server is not installed')
    return []
  }
  await using ours = new Child('queue-port')
  await using raw = new Child('raw-bullmq')
  await ours.call(openQueue, { engine: 'redis', port: redis.port })
  await raw.call(openRawQueue, { port: redis.port })
  const into = (child: Child) => async () => {
    await redis.flush()
    return add(child, jobs, 0)
  }
  await interleave(1, into(ours), into(raw))
  const onRedis = summary(await interleave(rounds, into(ours), into(raw)))
  const inFile = summary(await interleave(rounds, intoFile, into(raw)))
  await redis.flush()
  const against = 'raw BullMQ add'
  const bound = { kind: 'at least', of: 'ratio', value: 0.9 } as const
  return [
    { name: `enqueue, redis, ${CONCURRENCY} at once`, unit: '/s', ...onRedis, against, bound },
    { name: `enqueue, embedded, ${CONCURRENCY} at once`, unit: '/s', ...inFile, against, bound: { ...bound, value: 0.8 } },
  ]
}
