import { Child } from '../support/child.ts'
import { startLatencies } from '../support/hit-latencies.ts'
import { inFile, type OurSide, onRedis, ourHits } from '../support/hit-side.ts'
import { targetBody } from '../support/payloads.ts'
import { listenTarget, resetTarget, targetMet } from '../support/protocol.ts'
import { BenchRedis } from '../support/redis.ts'
import type { Bench, Scenario } from '../support/scenario.ts'
import { alternate, summaryAt } from '../support/stats.ts'

/** Hits that wait for a destination that accepts connections and never answers. */
const WAITING = 1000
/** How long each of them has, in seconds. */
const TIMEOUT_SECONDS = 30
const PER_SECOND = 200

/** A worker with the slots that it has by default, on a store of its own. */
async function open(bench: Bench, engine: 'redis' | 'embedded', url: string, stack: AsyncDisposableStack): Promise<OurSide> {
  const folder = bench.folder()
  const env = engine === 'embedded' ? inFile : onRedis(stack.use(await BenchRedis.start(folder)))
  return stack.use(await ourHits({ DATA_DIR: folder, HIT_PER_HOST: '8', ...env }, url))
}

/** One destination that is dead, and a thousand hits for it: what the hits of another one notice. */
export const dead: Scenario = {
  name: 'dead',
  async run(bench) {
    const rounds = bench.quick ? 1 : 6
    const pace = { per_second: PER_SECOND, ms: bench.quick ? 2000 : 4000 }
    await using load = new Child('open-loop')
    await using healthy = new Child('target')
    await using silent = new Child('target')
    const url = `http://127.0.0.1:${(await healthy.call(listenTarget, { body: targetBody })).port}/`
    const deadUrl = `http://127.0.0.1:${(await silent.call(listenTarget, { body: targetBody })).port}/`
    const rows: Awaited<ReturnType<Scenario['run']>> = []
    for (const engine of ['redis', 'embedded'] as const) {
      if (engine === 'redis' && bench.redis === undefined) {
        bench.leaveOut('a dead destination on Redis: redis-server is not installed')
        continue
      }
      await using stack = new AsyncDisposableStack()
      const burdened = await open(bench, engine, url, stack)
      const free = await open(bench, engine, url, stack)
      const latencies = (side: OurSide, ms = pace.ms) => startLatencies(load, healthy, side, { ...pace, ms })
      for (const side of [burdened, free]) await latencies(side, 1000)
      await silent.call(resetTarget, { hold: true })
      await burdened.configure({ url: deadUrl, request: { timeout_seconds: TIMEOUT_SECONDS } })
      await burdened.call('POST', '/hits', 202, { count: WAITING })
      await burdened.configure({ url })
      await silent.call(targetMet, { count: 1 })
      // While the worker meets all of the thousand for the first time.
      const first = await alternate(
        1,
        () => latencies(burdened),
        () => latencies(free),
      )
      const pairs = await alternate(
        rounds,
        () => latencies(burdened),
        () => latencies(free),
      )
      const name = `from POST /hit to its request at ${PER_SECOND}/s, ${WAITING} hits waiting for a dead one, ${engine}`
      const against = 'no dead destination'
      rows.push({ name: `${name}, the first ${pace.ms / 1000} s, p99`, unit: 'ms', ...summaryAt(0.99, first), against })
      rows.push({ name: `${name}, p50`, unit: 'ms', ...summaryAt(0.5, pairs), against })
      rows.push({ name: `${name}, p99`, unit: 'ms', ...summaryAt(0.99, pairs), against, bound: { kind: 'at most', of: 'ratio', value: 1.2 } })
      await silent.call(resetTarget, { hold: false })
    }
    return rows
  },
}
