import { join } from 'node:path'
import { Child } from '../support/child.ts'
import { inFile, type OurSide, onRedis, ourHits } from '../support/hit-side.ts'
import { targetBody } from '../support/payloads.ts'
import { peakMib } from '../support/process-figures.ts'
import { fillQueue, listenTarget, openQueue, resetTarget, runOpenLoop, targetReached } from '../support/protocol.ts'
import { BenchRedis } from '../support/redis.ts'
import type { Bench, Scenario } from '../support/scenario.ts'
import { alternate, summary, summaryAt } from '../support/stats.ts'

const PER_SECOND = 500
/** Hits of the backlog that are performed at its end, so that its worker's memory is that of one that works. */
const PERFORMED = 1000
/** Above what is filled in and asked for. */
const HIT_MAX_BACKLOG = '10000000'

/** A worker with a store of its own, and a Redis where that is the store. */
interface Filled extends AsyncDisposable {
  readonly side: OurSide
}

/** Starts a worker on a store into which so many hits were queued before. */
async function filled(bench: Bench, engine: 'redis' | 'embedded', jobs: number, url: string): Promise<Filled> {
  const folder = bench.folder()
  await using stack = new AsyncDisposableStack()
  const redis = engine === 'redis' ? stack.use(await BenchRedis.start(folder)) : undefined
  if (jobs > 0) {
    await using filler = new Child('queue-port')
    await filler.call(openQueue, redis === undefined ? { engine: 'embedded', path: join(folder, 'hits.db') } : { engine: 'redis', port: redis.port })
    await filler.call(fillQueue, { jobs, url })
    await redis?.atRest()
  }
  const side = stack.use(await ourHits({ DATA_DIR: folder, HIT_MAX_BACKLOG, ...(redis === undefined ? inFile : onRedis(redis)) }, url))
  const started = stack.move()
  return { side, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

/** Reads what an operator reads, makes hits, and gives the most memory that the worker had since its start, in MiB; undefined where there is no /proc. */
async function mostMemory({ side }: Filled, target: Child): Promise<number | undefined> {
  await side.call('GET', '/hits?state=queued&limit=1000', 200)
  await side.call('GET', '/hits/stats', 200)
  await target.call(resetTarget, { hold: false })
  await side.call('POST', '/hits/resume', 200)
  await target.call(targetReached, { count: PERFORMED })
  await side.call('POST', '/hits/pause', 200)
  return peakMib(side.pid)
}

/** A million hits that wait, beside none: how long the next is waited for, and what the worker needs. Nothing runs meanwhile: hits are paused. */
export const backlog: Scenario = {
  name: 'backlog',
  async run(bench) {
    const jobs = bench.quick ? 50_000 : 1_000_000
    const rounds = bench.quick ? 1 : 4
    await using load = new Child('open-loop')
    await using target = new Child('target')
    const { port } = await target.call(listenTarget, { body: targetBody })
    const url = `http://127.0.0.1:${port}/`
    const answers = async ({ side }: Filled, ms: number): Promise<number[]> => {
      const { answered_ms } = await load.call(runOpenLoop, { port: side.port, request: side.request, per_second: PER_SECOND, ms })
      return answered_ms
    }
    const rows: Awaited<ReturnType<Scenario['run']>> = []
    for (const engine of ['redis', 'embedded'] as const) {
      if (engine === 'redis' && bench.redis === undefined) {
        bench.leaveOut('a backlog on Redis: redis-server is not installed')
        continue
      }
      await target.call(resetTarget, { hold: true })
      await using long = await filled(bench, engine, jobs, url)
      await using empty = await filled(bench, engine, 0, url)
      for (const each of [long, empty]) {
        await each.side.call('POST', '/hits/pause', 200)
        await answers(each, 1000)
      }
      const ms = bench.quick ? 1000 : 3000
      const pairs = await alternate(
        rounds,
        () => answers(long, ms),
        () => answers(empty, ms),
      )
      const waiting = `${jobs.toLocaleString('en-US')} hits waiting, ${engine}`
      const against = 'an empty queue'
      rows.push({
        name: `POST /hit at ${PER_SECOND}/s, p99, with ${waiting}`,
        unit: 'ms',
        ...summaryAt(0.99, pairs),
        against,
        bound: { kind: 'at most', of: 'ratio', value: 2 },
      })
      const [most, least] = [await mostMemory(long, target), await mostMemory(empty, target)]
      if (most === undefined || least === undefined) bench.leaveOut('the memory of a worker with a backlog: this system has no /proc')
      else
        rows.push({
          name: `memory of the worker at its most, with ${waiting}`,
          unit: 'MiB',
          ...summary([{ ours: most, baseline: least }]),
          against,
          bound: { kind: 'at most', of: 'ours', value: 300 },
        })
    }
    return rows
  },
}
