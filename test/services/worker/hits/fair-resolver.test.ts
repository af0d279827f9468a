import { describe, expect, test } from 'vitest'
import { fairResolver } from '#services/worker/hits/fair-resolver.ts'
import { FakeClock } from './fake-clock.ts'

/** A resolver that takes as long as it is told to for each name, as by so many threads that it has. */
const setUp = (durations: Readonly<Record<string, number>>) => {
  const clock = new FakeClock()
  const underway: string[] = []
  const resolve = fairResolver(async (hostname) => {
    underway.push(hostname)
    await clock.sleep(durations[hostname] ?? 10)
    underway.splice(underway.indexOf(hostname), 1)
    if (hostname.startsWith('bad')) throw new Error('ENOTFOUND')
    return [hostname]
  }, clock)
  return { clock, underway, resolve }
}

describe('names', () => {
  test('that nobody answers for leave a thread to those that are quick', async () => {
    const { clock, underway, resolve } = setUp({ dead1: 20_000, dead2: 20_000, dead3: 20_000, dead4: 20_000 })
    const good = resolve('good')
    await clock.pass(10)
    expect(await good).toEqual(['good'])
    const dead = ['dead1', 'dead2', 'dead3', 'dead4'].map(resolve)
    expect(underway).toEqual(['dead1', 'dead2', 'dead3'])
    const again = resolve('good')
    expect(underway).toContain('good')
    await clock.pass(10)
    expect(await again).toEqual(['good'])
    await clock.pass(40_000)
    expect(await Promise.all(dead)).toEqual([['dead1'], ['dead2'], ['dead3'], ['dead4']])
  })

  test('that were slow are asked for one at a time; new ones go before them', async () => {
    const { clock, underway, resolve } = setUp({ slow1: 5000, slow2: 5000, slow3: 5000 })
    const first = ['slow1', 'slow2', 'slow3'].map(resolve)
    await clock.pass(5000)
    await Promise.all(first)
    const second = ['slow1', 'slow2', 'slow3'].map(resolve)
    expect(underway).toEqual(['slow1'])
    const others = ['new1', 'new2', 'new3'].map(resolve)
    expect(underway).toEqual(['slow1', 'new1', 'new2'])
    await clock.pass(10)
    expect(underway).toEqual(['slow1', 'new3'])
    await clock.pass(20_000)
    await Promise.all([...second, ...others])
    expect(underway).toEqual([])
  })

  test('that were slow wait behind new ones, though they came first', async () => {
    const { clock, underway, resolve } = setUp({ slow: 5000, new1: 500, new2: 500, new3: 500 })
    const first = resolve('slow')
    await clock.pass(5000)
    await first
    const others = ['new1', 'new2', 'new3', 'slow', 'new4'].map(resolve)
    expect(underway).toEqual(['new1', 'new2', 'new3'])
    await clock.pass(500)
    expect(underway).toEqual(['new4', 'slow'])
    await clock.pass(5000)
    await Promise.all(others)
  })

  test('that are quick are asked for at once, however many; one that turned slow no more', async () => {
    const durations: Record<string, number> = {}
    const { clock, underway, resolve } = setUp(durations)
    const names = Array.from({ length: 20 }, (_, n) => `name${n}`)
    const first = Promise.all(names.map(resolve))
    expect(underway).toHaveLength(3)
    await clock.pass(100)
    await first
    const second = Promise.all(names.map(resolve))
    expect(underway).toHaveLength(20)
    await clock.pass(10)
    await second
    durations.name0 = 5000
    durations.name1 = 5000
    const turned = Promise.all(['name0', 'name1'].map(resolve))
    await clock.pass(5000)
    await turned
    const third = Promise.all(['name0', 'name1'].map(resolve))
    expect(underway).toEqual(['name0'])
    await clock.pass(10_000)
    await third
  })

  test('that do not exist are quick too, and their error is passed on', async () => {
    const { clock, underway, resolve } = setUp({})
    for (let round = 0; round < 2; round += 1) {
      const all = Promise.allSettled(['bad1', 'bad2', 'bad3', 'bad4'].map(resolve))
      expect(underway).toHaveLength(round === 0 ? 3 : 4)
      await clock.pass(30)
      expect((await all).map(({ status }) => status)).toEqual(Array.from({ length: 4 }, () => 'rejected'))
    }
  })
})
