import { describe, expect, it } from 'vitest'
import { partsOf } from '../../bench/fleet/fleet.ts'
import { filesProblem } from '../../bench/fleet/limits.ts'
import { readOptions } from '../../bench/fleet/options.ts'
import { forbidden, Tally } from '../../bench/fleet/tally.ts'
import { tierSizes } from '../../bench/fleet/tree.ts'

describe('the command line', () => {
  it('has defaults: ten thousand streams in one process', () => {
    expect(readOptions([])).toMatchObject({
      agents: 10_000,
      via: 'stream',
      relays: 0,
      publishes: 5,
      interval: 30,
      processes: 1,
      report: false,
      'never-read': 0,
    })
    expect(readOptions(['--agents', '25000', '--via', 'poll'])).toMatchObject({ agents: 25_000, interval: 2, processes: 3 })
  })

  it.each([
    [['--agents', 'many'], /Cannot take --agents "many": it must be a whole number from 1 to/],
    [['--agents', '0'], /--agents "0"/],
    [['--via', 'push'], /Cannot take --via "push": it must be stream, wait or poll/],
    [['--never-read', '100'], /--never-read "100": it must be a percentage below 100/],
    [['--never-read', '1', '--via', 'wait'], /only a stream/],
    [['--controller', 'https://x'], /must be an http: URL/],
    [['--controller', 'http://x', '--restart'], /was not started here/],
    [['--relays', '2', '--tiers', '3'], /Cannot put --relays 2 into --tiers 3/],
    [['--agent', '5'], /Unknown option/],
  ])('refuses %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(message)
  })
})

describe('what a fleet is laid out as', () => {
  it.each([
    [0, 1, []],
    [10, 1, [10]],
    [10, 2, [1, 9]],
    [11, 2, [1, 10]],
    [12, 2, [1, 10]],
    [13, 2, [2, 11]],
    [12, 3, [1, 1, 10]],
    [3, 3, [1, 1, 1]],
  ])('%i relays in %i tiers', (relays, tiers, sizes) => {
    expect(tierSizes(relays, tiers)).toEqual(sizes)
  })

  it('spreads agents and those that never read over processes and relays, each agent once', () => {
    const urls = ['http://127.0.0.1:1', 'http://127.0.0.1:2']
    const parts = partsOf({ urls, controllerUrl: 'http://127.0.0.1:9', apiKey: 'k', agents: 1001, via: 'stream', processes: 3, neverRead: 10 })
    expect(parts.map(({ port }) => port)).toEqual([1, 2, 1, 2])
    expect(parts.reduce((sum, { agents }) => sum + agents, 0)).toBe(1001)
    expect(parts.reduce((sum, { never_read }) => sum + never_read, 0)).toBe(10)
    for (const [index, { first, agents }] of parts.entries()) expect(parts[index + 1]?.first ?? 1001).toBe(first + agents)
  })

  it('is refused where open files would not do, with what would', () => {
    expect(filesProblem(10_000, 1, 1, 20_000)).toBeUndefined()
    expect(filesProblem(10_000, 1, 1, undefined)).toBeUndefined()
    expect(filesProblem(10_000, 2, 1, 1024)).toMatch(/a server would need 10200 open files, and the limit is 1024; .*ulimit -n 10200.*--relays 13/)
    expect(filesProblem(10_000, 1, 20, 1024)).toMatch(/in 1 processes: each would need 10200 open files.*--processes 13/)
  })
})

it('a 5xx is allowed only where it says when to come back', () => {
  const tally = new Tally()
  for (const text of ['HTTP/1.1 503 x\r\nRetry-After: 2\r\n', 'HTTP/1.1 503 x\r\n', 'HTTP/1.1 500 x\r\n'])
    tally.answered({ status: Number(text.slice(9, 12)), text })
  tally.answered({ status: 200, text: 'HTTP/1.1 200 OK\r\n' })
  expect(forbidden(tally.counts)).toEqual(['1 × 500', '1 × 503 without Retry-After'])
})
