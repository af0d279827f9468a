import { startConfigPair } from '../support/config-pair.ts'
import { assertRight, type FleetSide, openSides } from '../support/fleet-side.ts'
import { monotonicMs } from '../support/monotonic.ts'
import type { Scenario } from '../support/scenario.ts'
import { commandOf, Service } from '../support/service.ts'
import { summary } from '../support/stats.ts'

const PATIENCE_MS = 60_000

/** Restarts a server, and waits until all of its agents follow again. @returns how long after the kill the last did, in ms */
async function followingAgain({ fleet }: FleetSide, restart: () => Promise<unknown>): Promise<number> {
  const killedAt = monotonicMs()
  const [{ after_ms, missing }] = await Promise.all([fleet.followed(killedAt, PATIENCE_MS), restart()])
  if (missing > 0) throw new Error(`${missing} agents do not follow again after ${PATIENCE_MS / 1000} s`)
  return Math.max(...after_ms)
}

/** The server is killed and started again: from the kill until the last of ten thousand agents follows again. */
export const outage: Scenario = {
  name: 'outage',
  async run(bench) {
    const agents = bench.quick ? 1000 : 10_000
    const folder = bench.folder()
    await using pair = await startConfigPair(folder)
    await using sides = await openSides(pair, { agents, via: 'stream' })
    const { ours, bare } = sides
    await using stack = new AsyncDisposableStack()
    const restart = async () => {
      await pair.controller.kill()
      const again = stack.use(new Service(commandOf('controller'), ['controller'], { DATA_DIR: folder, CONTROLLER_PORT: String(pair.port) }))
      await again.ready()
    }
    const measured = { ours: await followingAgain(ours, restart), baseline: await followingAgain(bare, () => pair.restartBare()) }
    // What comes after must reach everybody, and no answer on the way may have been one that must not be.
    for (const side of [ours, bare]) {
      await side.round()
      await assertRight(side)
    }
    const name = `${agents} agents following again after the server was killed`
    return [{ name, unit: 'ms', ...summary([measured]), against: 'bare node:http', bound: { kind: 'at most', of: 'ours', value: 20_000 } }]
  },
}
