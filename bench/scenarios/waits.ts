import { Child } from '../support/child.ts'
import { startLatencies } from '../support/hit-latencies.ts'
import { type HitSide, inFile, onRedis, ourHits, rawHits } from '../support/hit-side.ts'
import { targetBody } from '../support/payloads.ts'
import { listenTarget } from '../support/protocol.ts'
import type { Scenario } from '../support/scenario.ts'
import { alternate, summaryAt } from '../support/stats.ts'

const PER_SECOND = 500
/** The longest that a hit may wait for its start at that rate, p99, in ms. */
const MOST_MS = 20

/** How long a hit waits until it is made, at a rate that leaves room. */
export const waits: Scenario = {
  name: 'waits',
  async run(bench) {
    const { redis } = bench
    const rounds = bench.quick ? 1 : 4
    const pace = { per_second: PER_SECOND, ms: bench.quick ? 2000 : 4000 }
    await using load = new Child('open-loop')
    await using target = new Child('target')
    const { port } = await target.call(listenTarget, { body: targetBody })
    const url = `http://127.0.0.1:${port}/`
    if (redis === undefined) {
      bench.leaveOut('waits of hits: redis-server is not installed, and raw BullMQ is what stands beside them')
      return []
    }
    await using raw = await rawHits(redis, url)
    await using redisSide = await ourHits({ DATA_DIR: bench.folder(), ...onRedis(redis) }, url)
    await using fileSide = await ourHits({ DATA_DIR: bench.folder(), ...inFile }, url)
    const latencies = (side: HitSide, ms = pace.ms) => startLatencies(load, target, side, { ...pace, ms })
    // Code that has not run yet would be in the first round.
    for (const side of [raw, redisSide, fileSide]) await latencies(side, 1000)
    const against = 'node:http, raw BullMQ, undici'
    const bound = { kind: 'at most', of: 'ours', value: MOST_MS } as const
    const rows: Awaited<ReturnType<Scenario['run']>> = []
    for (const [engine, side] of [['redis', redisSide] as const, ['embedded', fileSide] as const]) {
      const pairs = await alternate(
        rounds,
        () => latencies(side),
        () => latencies(raw),
      )
      const name = (share: string) => `from POST /hit to its request at ${PER_SECOND}/s, ${engine}, ${share}`
      rows.push({ name: name('p50'), unit: 'ms', ...summaryAt(0.5, pairs), against })
      rows.push({ name: name('p99'), unit: 'ms', ...summaryAt(0.99, pairs), against, bound })
    }
    return rows
  },
}
