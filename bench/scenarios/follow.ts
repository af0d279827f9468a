import { startConfigPair } from '../support/config-pair.ts'
import { assertRight, openSides } from '../support/fleet-side.ts'
import type { Scenario } from '../support/scenario.ts'
import { alternate, summaryAt } from '../support/stats.ts'

const WARM_UP = 3

/** A publish to ten thousand agents, by stream and by long poll: from just before its write to each agent's last byte. */
export const follow: Scenario = {
  name: 'follow',
  async run(bench) {
    const agents = bench.quick ? 1000 : 10_000
    const rounds = bench.quick ? 5 : 15
    const against = 'bare node:http'
    const figures: Awaited<ReturnType<Scenario['run']>> = []
    for (const via of ['stream', 'wait'] as const) {
      await using pair = await startConfigPair(bench.folder())
      await using sides = await openSides(pair, { agents, via })
      const { ours, bare } = sides
      await alternate(WARM_UP, ours.round, bare.round)
      const pairs = await alternate(rounds, ours.round, bare.round)
      for (const side of [ours, bare]) await assertRight(side)
      const name = `publish to ${agents} ${via === 'stream' ? 'streams' : 'long polls'}`
      const bound = { kind: 'at most', of: 'ratio', value: 1.25 } as const
      figures.push({ name: `${name}, p50`, unit: 'ms', ...summaryAt(0.5, pairs), against, bound })
      figures.push({ name: `${name}, p99`, unit: 'ms', ...summaryAt(0.99, pairs), against, bound })
    }
    return figures
  },
}
