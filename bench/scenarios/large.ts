import { dataOf } from '../fleet/simulate.ts'
import { startConfigPair } from '../support/config-pair.ts'
import { assertRight, openSides } from '../support/fleet-side.ts'
import { forgetPeak, peakMib, settledMib } from '../support/process-figures.ts'
import type { Scenario } from '../support/scenario.ts'
import { alternate, summary } from '../support/stats.ts'

const CONFIG_BYTES = 100_000

/** A large config on its way to a thousand streams: the bytes are there once, not a thousand times. */
export const large: Scenario = {
  name: 'large',
  async run(bench) {
    const agents = bench.quick ? 200 : 1000
    const rounds = bench.quick ? 2 : 5
    const data = dataOf(CONFIG_BYTES, 0)
    await using pair = await startConfigPair(bench.folder(), data)
    await using sides = await openSides(pair, { agents, via: 'stream', data })
    const { ours, bare } = sides
    const growth = (round: () => Promise<unknown>, pid: number) => async (): Promise<number | undefined> => {
      const before = await settledMib(pid)
      if (before === undefined) return undefined
      forgetPeak(pid)
      await round()
      const peak = peakMib(pid)
      return peak === undefined ? undefined : Math.max(peak - before, 0.01)
    }
    const pairs = await alternate(rounds, growth(ours.round, pair.controller.pid), growth(bare.round, pair.bare.pid))
    for (const side of [ours, bare]) await assertRight(side)
    const known = pairs.flatMap(({ ours: own, baseline }) => (own === undefined || baseline === undefined ? [] : [{ ours: own, baseline }]))
    if (known.length === 0) {
      bench.leaveOut('memory while a large config spreads: there is no /proc here')
      return []
    }
    const name = `memory at its most while 100 KB go to ${agents} streams`
    return [{ name, unit: 'MiB', ...summary(known), against: 'bare node:http', bound: { kind: 'at most', of: 'ours', value: 150 } }]
  },
}
