import { expect, it } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { Liveness } from '#services/controller/fleet/liveness.ts'
import { AgentRecord } from '#services/controller/fleet/record.ts'
import { Roster } from '#services/controller/fleet/roster.ts'
import { Passes } from '#services/controller/fleet/slices.ts'
import { StateWriter } from '#services/controller/fleet/state-writer.ts'
import { HeldClock } from './held-clock.ts'

/** Each look at it takes 5 ms, so that a pass yields as often as it may. */
class SlowClock extends HeldClock {
  override monotonic(): number {
    this.pass(5)
    return super.monotonic()
  }
}

it('a sweep that has yielded while the writer closes saves nothing into a store that is closed then', async () => {
  const clock = new SlowClock()
  const records = Array.from({ length: 600 }, (_, i) => new AgentRecord(`a-${i}`, { hostname: 'h', ip_address: 'i', port: 1, labels: {} }, null, 1, 1))
  const roster = new Roster(records)
  let isClosed = false
  const saves: boolean[] = []
  const store = {
    saveAgentStates: async () => {
      saves.push(isClosed)
      // All of them are heard of again meanwhile: there would be something to save.
      for (const record of records) record.lastSeen++
    },
  }
  const liveness = new Liveness({ roster, feed: { current: undefined }, clock })
  const writer = new StateWriter({ store, roster, liveness, passes: new Passes(clock), clock, logger: silentLogger })
  const closing = writer.close().then(() => {
    isClosed = true
  })
  await Promise.all([closing, writer.sweep()])
  expect(saves).toEqual([false, false, false])
})
