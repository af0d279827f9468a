import { Child } from '../support/child.ts'
import { type HitSide, ourHits, rawHits } from '../support/hit-side.ts'
import { targetBody } from '../support/payloads.ts'
import { listenTarget, resetTarget, runLoad, targetReached } from '../support/protocol.ts'
import type { Scenario } from '../support/scenario.ts'
import { interleave, summary } from '../support/stats.ts'

const CONNECTIONS = 64

/** Hits over HTTP: how fast they are taken while the workers are held up, and how fast they are performed. */
export const hits: Scenario = {
  name: 'hits',
  async run(bench) {
    const { redis } = bench
    if (redis === undefined) {
      bench.leaveOut('hits beside raw BullMQ: redis-server is not installed')
      return []
    }
    const rounds = bench.quick ? 2 : 5
    const number = bench.quick ? 500 : 2000
    await using load = new Child('load')
    await using target = new Child('target')
    const { port } = await target.call(listenTarget, { body: targetBody })
    const url = `http://127.0.0.1:${port}/`
    await using raw = await rawHits(redis, url)
    await using onRedis = await ourHits({ DATA_DIR: bench.folder(), HIT_QUEUE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) }, url)
    await using inFile = await ourHits({ DATA_DIR: bench.folder(), HIT_QUEUE: 'embedded' }, url)

    /** Takes hits, lets them end, and looks at a few results. @returns hits a second */
    const round = async (side: HitSide, measured: 'accepted' | 'performed'): Promise<number> => {
      await target.call(resetTarget, { hold: measured === 'accepted' })
      const start = performance.now()
      const accepted = await load.call(runLoad, {
        port: side.port,
        request: side.request,
        connections: CONNECTIONS,
        until: { requests: number },
        expect: { status: 202, includes: '"status":"queued"' },
      })
      if (measured === 'accepted') await target.call(resetTarget, { hold: false })
      // Those that were held are counted before the count starts anew.
      if (measured === 'performed') await target.call(targetReached, { count: number })
      const seconds = (performance.now() - start) / 1000
      await side.idle()
      for (const sample of accepted.samples) await side.assertCompleted(sample)
      return measured === 'accepted' ? accepted.count / accepted.seconds : number / seconds
    }

    const rows: Awaited<ReturnType<Scenario['run']>> = []
    for (const measured of ['accepted', 'performed'] as const) {
      for (const [engine, side] of [['redis', onRedis] as const, ['embedded', inFile] as const]) {
        const ours = () => round(side, measured)
        const baseline = () => round(raw, measured)
        await interleave(1, ours, baseline)
        const name = measured === 'accepted' ? `POST /hit, ${engine}` : `hits end to end, ${engine}`
        rows.push({ name, unit: '/s', ...summary(await interleave(rounds, ours, baseline)), against: 'node:http, raw BullMQ, undici' })
      }
    }
    return rows
  },
}
