import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { dataOf } from '../fleet/simulate.ts'
import { publish } from '../support/config-pair.ts'
import { assertRight, openSide } from '../support/fleet-side.ts'
import type { Scenario } from '../support/scenario.ts'
import { type Service, startService } from '../support/service.ts'
import { alternate, summaryAt } from '../support/stats.ts'

/** So much at a time goes to the streams that are not read, until the kernel takes no more of it: a quarter of what the controller then keeps. */
const FILLING_BYTES = 250_000
/** Fillings by which a stream stays below the bound that has it cut off. */
const BELOW_BOUND = 3
/** More than any kernel takes for one connection. */
const MAX_FILLINGS = 200

const HealthSchema = z.object({ data: z.object({ parts: z.object({ watchers: z.object({ streaming: z.number() }) }) }) })

const portOf = (controller: Service): number => controller.port('controller')

/** How many streams a controller has open. */
async function streaming(controller: Service): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${portOf(controller)}/health`)
  return HealthSchema.parse(await answer.json()).data.parts.watchers.streaming
}

const fill = (controller: Service, times: number): Promise<number> => publish(portOf(controller), dataOf(FILLING_BYTES, times))

/** How many fillings one stream that is not read takes until it is cut off: what the kernel holds differs between machines. */
async function fillingsUntilCut(controller: Service): Promise<number> {
  await using _one = await openSide({ port: portOf(controller), agents: 1, neverRead: 1, via: 'stream' })
  while ((await streaming(controller)) !== 1) await delay(5)
  for (let count = 1; count <= MAX_FILLINGS; count += 1) {
    await fill(controller, count)
    if ((await streaming(controller)) === 0) return count
  }
  throw new Error(`a stream that is not read was not cut off after ${MAX_FILLINGS} × ${FILLING_BYTES} bytes`)
}

/** One in a hundred streams is never read, and has bytes waiting in the controller: what that costs the others. */
export const slow: Scenario = {
  name: 'slow',
  async run(bench) {
    const agents = bench.quick ? 1000 : 10_000
    const lazy = agents / 100
    await using disturbed = await startService('controller', { DATA_DIR: bench.folder() })
    await using calm = await startService('controller', { DATA_DIR: bench.folder() })
    const open = (controller: Service, count: number, neverRead = 0) => openSide({ port: portOf(controller), agents: count, neverRead, via: 'stream' })
    await using _diligent = await open(calm, lazy)
    await using beside = await open(calm, agents - lazy)

    // From the filling on there are two heartbeats until the streams are cut off: all others must be there before.
    const fillings = (await fillingsUntilCut(disturbed)) - BELOW_BOUND
    await using _lazy = await open(disturbed, lazy, lazy)
    for (let count = 1; count <= fillings; count += 1) await fill(disturbed, count)
    // So that those who come now are not given the large one each.
    await publish(portOf(disturbed), dataOf(400, 0))
    await using others = await open(disturbed, agents - lazy)
    if ((await streaming(disturbed)) !== agents) {
      bench.leaveOut('what streams that are not read cost the others: they were cut off before all others were there; this machine is too slow for it')
      return []
    }
    const pairs = await alternate(bench.quick ? 3 : 9, others.round, beside.round)
    for (const side of [others, beside]) await assertRight(side)
    const name = `publish to ${agents} streams of which 1 % are never read, p99 of the others`
    return [{ name, unit: 'ms', ...summaryAt(0.99, pairs), against: 'all are read', bound: { kind: 'at most', of: 'ratio', value: 1.2 } }]
  },
}
