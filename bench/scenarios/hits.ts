import { Child } from '../support/child.ts'
import type { Figure } from '../support/figures.ts'
import { type HitSide, inFile, onRedis, ourHits, rawHits } from '../support/hit-side.ts'
import { targetBody } from '../support/payloads.ts'
import { listenTarget, resetTarget, runLoad, targetReached } from '../support/protocol.ts'
import type { Scenario } from '../support/scenario.ts'
import { interleave, summary } from '../support/stats.ts'

const CONNECTIONS = 64

/**
 * What of a round counts. `accepted`: taking hits over HTTP, while the target holds up those that run. `performed`: hits that
 * are queued already, from when the target lets go to when the last result is stored. `both`: taking and performing at once.
 */
type Measured = 'accepted' | 'performed' | 'both'

/** Hits over HTTP: how fast they are taken, and how fast they are performed. */
export const hits: Scenario = {
  name: 'hits',
  async run(bench) {
    const { redis } = bench
    if (redis === undefined) {
      bench.leaveOut('hits beside raw BullMQ: redis-server is not installed')
      return []
    }
    const rounds = bench.quick ? 2 : 5
    const number = bench.quick ? 500 : 5000
    await using load = new Child('load')
    await using target = new Child('target')
    const { port } = await target.call(listenTarget, { body: targetBody })
    const url = `http://127.0.0.1:${port}/`
    await using raw = await rawHits(redis, url)
    await using redisSide = await ourHits({ DATA_DIR: bench.folder(), ...onRedis(redis) }, url)
    await using fileSide = await ourHits({ DATA_DIR: bench.folder(), ...inFile }, url)

    /** Takes hits, lets them end, and looks at a few results. @returns hits a second */
    const round = async (side: HitSide, measured: Measured): Promise<number> => {
      await target.call(resetTarget, { hold: measured !== 'both' })
      let start = performance.now()
      const accepted = await load.call(runLoad, {
        port: side.port,
        request: side.request,
        connections: CONNECTIONS,
        until: { requests: number },
        expect: { status: 202, includes: '"status":"queued"' },
      })
      if (measured !== 'both') {
        start = performance.now()
        await target.call(resetTarget, { hold: false })
      }
      await target.call(targetReached, { count: number })
      await side.idle()
      const seconds = (performance.now() - start) / 1000
      for (const sample of accepted.samples) await side.assertCompleted(sample)
      return measured === 'accepted' ? accepted.count / accepted.seconds : number / seconds
    }
    /** A row of one side beside another. */
    const row = async (name: string, measured: Measured, ours: HitSide, baseline: HitSide, more: Pick<Figure, 'against' | 'bound'>) => {
      const [a, b] = [() => round(ours, measured), () => round(baseline, measured)]
      await interleave(1, a, b)
      return { name, unit: '/s' as const, ...summary(await interleave(rounds, a, b)), ...more }
    }

    const beside = { against: 'node:http, raw BullMQ, undici' }
    const keeps = (value: number) => ({ bound: { kind: 'at least', of: 'ratio', value } }) as const
    return [
      await row('POST /hit, redis', 'accepted', redisSide, raw, beside),
      await row('POST /hit, embedded', 'accepted', fileSide, raw, beside),
      await row('hits performed, redis', 'performed', redisSide, raw, { ...beside, ...keeps(0.85) }),
      await row('hits performed, embedded', 'performed', fileSide, raw, beside),
      await row('hits performed, embedded', 'performed', fileSide, redisSide, { against: 'our Redis engine', ...keeps(1) }),
      await row('hits taken and performed at once, redis', 'both', redisSide, raw, beside),
      await row('hits taken and performed at once, embedded', 'both', fileSide, raw, beside),
    ]
  },
}
