import { Child } from '../support/child.ts'
import { inFile, onRedis, ourHits } from '../support/hit-side.ts'
import { monotonicMs } from '../support/monotonic.ts'
import { targetBody } from '../support/payloads.ts'
import { forgetTargetStarts, listenTarget, resetTarget, targetMet } from '../support/protocol.ts'
import type { Scenario } from '../support/scenario.ts'
import { interleave, summary } from '../support/stats.ts'

/** As many as a worker has under way at once. */
const HITS = 10
/** When all of them must be under way again, in ms. */
const MOST_MS = 15_000

/** A worker is killed in the middle of hits, and started again at once: until all of them have been made again. */
export const killed: Scenario = {
  name: 'killed',
  async run(bench) {
    const { redis } = bench
    const rounds = bench.quick ? 1 : 3
    await using target = new Child('target')
    const { port } = await target.call(listenTarget, { body: targetBody })
    const url = `http://127.0.0.1:${port}/`

    /** @param midway whether hits are under way when the worker is killed; else they come when it is back */
    const madeAgain = async (env: Readonly<Record<string, string>>, midway: boolean): Promise<number> => {
      const ask = async (side: Awaited<ReturnType<typeof ourHits>>) => {
        for (let hit = 0; hit < HITS; hit += 1) await side.call('POST', '/hit', 202)
      }
      await target.call(resetTarget, { hold: true })
      const first = await ourHits(env, url)
      if (midway) {
        await ask(first)
        await target.call(targetMet, { count: HITS })
      }
      await target.call(forgetTargetStarts, {})
      const killedAt = monotonicMs()
      await first.kill()
      await using second = await ourHits(env, url)
      if (!midway) await ask(second)
      await target.call(targetMet, { count: HITS })
      const after = monotonicMs() - killedAt
      await target.call(resetTarget, { hold: false })
      await second.idle()
      return after
    }

    const rows: Awaited<ReturnType<Scenario['run']>> = []
    const bound = { kind: 'at most', of: 'ours', value: MOST_MS } as const
    for (const [engine, env] of [['redis', redis && onRedis(redis)] as const, ['embedded', inFile] as const]) {
      if (env === undefined) {
        bench.leaveOut('hits of a killed worker on Redis: redis-server is not installed')
        continue
      }
      const withFolder = { ...env, DATA_DIR: bench.folder() }
      const pairs = await interleave(
        rounds,
        () => madeAgain(withFolder, true),
        () => madeAgain(withFolder, false),
      )
      rows.push({ name: `hits of a killed worker made again, ${engine}`, unit: 'ms', ...summary(pairs), against: 'killed with none under way', bound })
    }
    return rows
  },
}
