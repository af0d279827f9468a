import { describe, expect, test } from 'vitest'
import { PeerError } from '#lib/http/peer.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { ConfigCache } from '#services/agent/sync/cache.ts'
import type { FetchOutcome } from '#services/agent/sync/controller-link.ts'
import { Holding } from '#services/agent/sync/holding.ts'
import { SharedFlight } from '#services/agent/sync/shared-flight.ts'
import { TempFolder } from '#test/_support/temp.ts'

const found = (version: number): FetchOutcome => ({ kind: 'config', held: { config: { id: `id-${version}`, version, data: {} }, etag: `"${version}"` } })

describe('Holding', () => {
  /** Holds version 5, and answers the question for the controller's word by `answer`. */
  async function holding(folder: TempFolder, answer: (asked: number) => Promise<FetchOutcome>) {
    const never = () => Promise.reject(new Error('not asked here'))
    let asked = 0
    const delivered: number[] = []
    const holding: Holding = new Holding({
      link: { register: never, stream: never, report: never, fetch: () => answer(++asked) },
      cache: new ConfigCache(folder.path, silentLogger),
      forwarder: { deliver: ({ config }) => void delivered.push(config.version), confirm: () => {} },
      logger: silentLogger,
      clock: { ...systemClock, sleep: async () => {} },
    })
    await holding.take(found(5))
    return { holding, delivered, asked: () => asked }
  }

  test('an answer that was overtaken by news says nothing about going back: it is asked again', async () => {
    using folder = new TempFolder()
    const it = await holding(folder, async (asked) => {
      // While the first answer, 4, was on its way, 6 came by stream.
      if (asked === 1) await it.holding.take(found(6))
      return asked === 1 ? found(4) : { kind: 'unchanged' }
    })
    expect(await it.holding.take(found(3))).toBe(true)
    expect(it.holding.held?.config.version).toBe(6)
    expect(it.delivered).toEqual([5, 6])
    expect(it.asked()).toBe(2)
  })

  test('answers that are overtaken again and again are given up, and nothing goes back', async () => {
    using folder = new TempFolder()
    const it = await holding(folder, async (asked) => {
      await it.holding.take(found(5 + asked))
      return found(1)
    })
    await expect(it.holding.take(found(2))).rejects.toThrow(PeerError)
    expect(it.delivered).toEqual([5, 6, 7, 8])
    expect(it.asked()).toBe(3)
  })
})

describe('SharedFlight', () => {
  /** Runs that end when the test says so. */
  function flights() {
    const ends: (() => void)[] = []
    const clock = { at: 0, slept: [] as number[], monotonic: () => clock.at, sleep: async (ms: number) => void clock.slept.push(ms) }
    const flight = new SharedFlight(
      () =>
        new Promise<number>((resolve) => {
          const run = ends.length
          ends.push(() => resolve(run))
        }),
      { gapMs: 1000, clock },
    )
    return { ends, clock, flight }
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve))

  test('a run that began before the question is never the answer; all who wait share the next', async () => {
    const { ends, flight } = flights()
    const first = flight.join()
    await turn()
    const [second, third] = [flight.join(), flight.join()]
    await turn()
    expect(ends).toHaveLength(1)
    ends[0]?.()
    expect(await first).toBe(0)
    await turn()
    expect(ends).toHaveLength(2)
    ends[1]?.()
    expect(await Promise.all([second, third])).toEqual([1, 1])
  })

  test('runs begin a gap apart', async () => {
    const { ends, flight, clock } = flights()
    const first = flight.join()
    await turn()
    ends[0]?.()
    await first
    clock.at = 400
    const second = flight.join()
    await turn()
    expect(clock.slept).toEqual([600])
    ends[1]?.()
    await second
  })

  test('a run that fails fails for those who waited for it, and not for the next', async () => {
    let runs = 0
    const flight = new SharedFlight(async () => (++runs === 1 ? Promise.reject(new Error('once')) : runs), { gapMs: 0, clock: systemClock })
    const failed = flight.join()
    await expect(failed).rejects.toThrow('once')
    expect(await flight.join()).toBe(2)
  })
})
