import { startTree, type Tree } from '../fleet/tree.ts'
import { assertRight, openSide } from '../support/fleet-side.ts'
import type { Bench, Scenario } from '../support/scenario.ts'
import { alternate, summaryAt } from '../support/stats.ts'

/** Relays of the tree: each holds fewer connections than a process may have files open. */
const RELAYS = 4

/** Agents on a tree, over two processes for each ten thousand. */
const openOn = (tree: Tree, agents: number) =>
  openSide({ port: Number(new URL(tree.controllerUrl).port), urls: tree.leafUrls, agents, via: 'stream', processes: Math.ceil(agents / 5000) })

/** Twice the agents below relays, beside as many as one controller serves directly. */
async function measure(bench: Bench) {
  const direct = bench.quick ? 1000 : 10_000
  await using tree = await startTree(bench.folder(), { relays: RELAYS })
  await using alone = await startTree(bench.folder())
  await using below = await openOn(tree, 2 * direct)
  await using beside = await openOn(alone, direct)
  await alternate(2, below.round, beside.round)
  const pairs = await alternate(bench.quick ? 3 : 9, below.round, beside.round)
  for (const side of [below, beside]) await assertRight(side)
  return { direct, pairs }
}

/** What a tier of relays adds: the way down is one hop longer, and twice as many wait at its end. */
export const relays: Scenario = {
  name: 'relays',
  async run(bench) {
    const { direct, pairs } = await measure(bench)
    const name = `publish to ${2 * direct} streams over ${RELAYS} relays`
    const against = `${direct} streams directly`
    return [
      { name: `${name}, p50`, unit: 'ms', ...summaryAt(0.5, pairs), against },
      { name: `${name}, p99`, unit: 'ms', ...summaryAt(0.99, pairs), against, bound: { kind: 'at most', of: 'ratio', value: 3 } },
    ]
  },
}
