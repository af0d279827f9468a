import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { createDestinations, type Entry, type Pass } from '#services/worker/hits/destinations.ts'
import { recordingLogger } from '#test/conformance/harness.ts'
import { FakeClock } from './fake-clock.ts'
import { type Behaviour, Line } from './line.ts'

const HEALTHY = 'http://healthy.test'
const DEAD = 'http://dead.test'
/** How long a hit waits for a destination that does not answer. */
const MAX_CIRCUIT_WAIT_MS = 15 * 60_000
const noStop = (): AbortSignal => new AbortController().signal

const answers =
  (ms: number): Behaviour =>
  (clock) => ({ ms: ms * (0.5 + clock.random()), verdict: 'answered' })
const times: Behaviour = () => ({ ms: 30_000, verdict: 'timeout' })
const refuses: Behaviour = () => ({ ms: 1, verdict: 'connection_refused' })

/** A line with ten slots, eight for each destination, as a worker has them by default. */
const lineOf = (behaviours: Readonly<Record<string, Behaviour>>, { slots = 10, perHost = 8, clock = new FakeClock() } = {}) => {
  const destinations = createDestinations({ perHost, clock, logger: silentLogger })
  return { clock, destinations, line: new Line({ clock, destinations, slots, behaviours }) }
}

const passOf = (entry: Entry | Promise<Entry>): Pass => {
  if (entry instanceof Promise || entry.kind !== 'pass') throw new Error('the hit was not let in')
  return entry
}

/** Opens the circuit of a destination: five attempts of 30 s without an answer. */
async function silence(destinations: ReturnType<typeof createDestinations>, clock: FakeClock, origin: string): Promise<void> {
  const passes = [1, 2, 3, 4, 5].map(() => passOf(destinations.enter(origin, clock.now(), noStop())))
  await clock.pass(30_000)
  for (const pass of passes) pass.end('timeout')
}

describe('a destination on its own', () => {
  test('has no more attempts than it may, and the next goes in as soon as one ends', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 2, clock, logger: silentLogger })
    const [first] = [1, 2].map(() => passOf(destinations.enter(HEALTHY, clock.now(), noStop())))
    const third = destinations.enter(HEALTHY, clock.now(), noStop())
    expect(third).toBeInstanceOf(Promise)
    expect(destinations.list()).toEqual([{ origin: HEALTHY, active: 2, waiting: 1, circuit: 'closed' }])
    first?.end('answered')
    expect(await third).toMatchObject({ kind: 'pass' })
    expect(destinations.list()).toEqual([{ origin: HEALTHY, active: 2, waiting: 0, circuit: 'closed' }])
  })

  test('lets hits in, in the order in which they came', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 1, clock, logger: silentLogger })
    const pass = passOf(destinations.enter(HEALTHY, clock.now(), noStop()))
    const order: number[] = []
    const end = async (entry: Entry | Promise<Entry>, n: number) => {
      const passed = await entry
      order.push(n)
      if (passed.kind === 'pass') passed.end('answered')
    }
    const others = [1, 2, 3].map((n) => end(destinations.enter(HEALTHY, clock.now(), noStop()), n))
    pass.end('answered')
    await Promise.all(others)
    expect(order).toEqual([1, 2, 3])
  })

  test.each([
    ['5 ms', 5, 1000],
    ['200 ms', 200, 300],
    ['1 s', 1000, 100],
  ])('that takes %s keeps its pace, and nothing is given back', async (_name, ms, count) => {
    const { clock, line } = lineOf({ [HEALTHY]: answers(ms) })
    line.add(HEALTHY, count)
    await clock.pass((1.2 * count * ms) / 8 + 2 * ms)
    expect(line.unfinished).toBe(0)
    expect(line.releases(HEALTHY)).toBe(0)
    expect(line.most.get(HEALTHY)).toBe(8)
  })

  test('that takes 5 s keeps most of its pace, though hits are given back', async () => {
    const { clock, line } = lineOf({ [HEALTHY]: answers(5000) })
    line.add(HEALTHY, 100)
    await clock.pass(1.25 * 62_500)
    expect(line.unfinished).toBe(0)
  })
})

describe('a dead destination beside a healthy one', () => {
  /** Hits of the healthy one for so long, 20 a second. */
  const goOn = async ({ clock, line }: Pick<ReturnType<typeof lineOf>, 'clock' | 'line'>, seconds: number) => {
    for (let n = 0; n < seconds * 20; n += 1) {
      line.add(HEALTHY)
      await clock.pass(50)
    }
  }
  const p99 = (latencies: readonly number[]): number => latencies[Math.floor(latencies.length * 0.99)] ?? 0

  test.each([
    ['does not answer within 30 s', times],
    ['refuses', refuses],
  ])('that %s leaves its p99 as it was', async (_name, dead) => {
    const alone = lineOf({ [HEALTHY]: answers(20) })
    await goOn(alone, 65)
    const beside = lineOf({ [HEALTHY]: answers(20), [DEAD]: dead })
    await goOn(beside, 5)
    beside.line.add(DEAD, 1000)
    await goOn(beside, 60)
    expect(p99(beside.line.latencies(HEALTHY))).toBeLessThan(1.2 * p99(alone.line.latencies(HEALTHY)))
    expect(Math.max(...beside.line.latencies(HEALTHY))).toBeLessThan(1000)
  })

  test('that has not answered yet holds a quarter of the slots that it might', async () => {
    const sides = lineOf({ [HEALTHY]: answers(20), [DEAD]: times })
    await goOn(sides, 1)
    sides.line.add(DEAD, 100)
    await goOn(sides, 20)
    expect(sides.line.most.get(DEAD)).toBe(2)
  })

  test('with 10,000 hits is out of the way within seconds, and asks for slots seldom from then on', async () => {
    const sides = lineOf({ [HEALTHY]: answers(20), [DEAD]: times })
    await goOn(sides, 5)
    sides.line.add(DEAD, 10_000)
    await goOn(sides, 15)
    const before = sides.line.releases(DEAD)
    const since = sides.clock.monotonic()
    await goOn(sides, 60)
    expect((sides.line.releases(DEAD) - before) / 60).toBeLessThan(100)
    const late = sides.line.hits.filter(({ origin, at }) => origin === HEALTHY && at >= since)
    expect(late.filter(({ at, endedAt = Number.POSITIVE_INFINITY }) => endedAt - at > 50).length).toBeLessThanOrEqual(2)
  })

  test('its hits wait for a quarter of an hour, and fail then without a request', async () => {
    const { clock, line } = lineOf({ [DEAD]: times })
    line.add(DEAD, 300)
    await clock.pass(MAX_CIRCUIT_WAIT_MS - 60_000)
    expect(line.hits.every(({ silent }) => !silent)).toBe(true)
    await clock.pass(4 * 60_000)
    expect(line.unfinished).toBeLessThanOrEqual(1)
    expect(line.hits.filter(({ silent }) => silent).length).toBeGreaterThan(200)
    expect(line.latencies(DEAD).at(-1)).toBeLessThan(MAX_CIRCUIT_WAIT_MS + 3 * 60_000)
  })

  test('that comes back takes all its hits soon', async () => {
    let alive = false
    const { clock, line } = lineOf({ [DEAD]: (clock) => (alive ? answers(5)(clock) : times(clock)) })
    line.add(DEAD, 1000)
    await clock.pass(3 * 60_000)
    expect(line.unfinished).toBeGreaterThan(900)
    alive = true
    await clock.pass(150_000)
    expect(line.unfinished).toBe(0)
  })
})

describe('the circuit', () => {
  test('open: hits come again when it is half open; then one is let in, and its answer closes it', async () => {
    const clock = new FakeClock()
    const { logger, lines } = recordingLogger()
    const destinations = createDestinations({ perHost: 8, clock, logger })
    await silence(destinations, clock, DEAD)
    const [shown] = destinations.list()
    expect(shown).toMatchObject({ origin: DEAD, circuit: 'open', active: 0 })
    const opens = Date.parse(shown?.reopens_at ?? '') - clock.now()
    expect(opens).toBeGreaterThanOrEqual(4000)
    expect(opens).toBeLessThanOrEqual(6000)
    const refused = await destinations.enter(DEAD, clock.now(), noStop())
    expect(refused).toMatchObject({ kind: 'later' })
    if (refused.kind === 'later') expect(refused.delay_ms).toBeGreaterThan(opens)

    await clock.pass(6000)
    const probe = passOf(destinations.enter(DEAD, clock.now(), noStop()))
    expect(await destinations.enter(DEAD, clock.now(), noStop())).toMatchObject({ kind: 'later' })
    expect(destinations.list()).toEqual([{ origin: DEAD, active: 1, waiting: 0, circuit: 'half_open' }])
    probe.end('answered')
    passOf(destinations.enter(DEAD, clock.now(), noStop()))
    passOf(destinations.enter(DEAD, clock.now(), noStop()))
    expect(lines.map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/^\[processor\] http:\/\/dead\.test did not answer several times in a row \(timeout\): its hits wait, one tries again in \d s$/),
      '[processor] http://dead.test answers again: its hits go on',
    ])
  })

  test('a probe that tells nothing leaves the next one to try', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 8, clock, logger: silentLogger })
    await silence(destinations, clock, DEAD)
    await clock.pass(6000)
    passOf(destinations.enter(DEAD, clock.now(), noStop())).end('nothing')
    passOf(destinations.enter(DEAD, clock.now(), noStop()))
  })

  test('a single hit that fails keeps the times of its retries', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 8, clock, logger: silentLogger })
    for (const delay of [1000, 2000, 4000, 0]) {
      const pass = passOf(destinations.enter(DEAD, clock.now(), noStop()))
      await clock.pass(30_000)
      pass.end('timeout')
      await clock.pass(delay)
    }
  })

  test('a hit that has lain in a long line is no hit that has waited for its destination', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 8, clock, logger: silentLogger })
    await silence(destinations, clock, DEAD)
    const longAgo = clock.now() - 10 * MAX_CIRCUIT_WAIT_MS
    expect(await destinations.enter(DEAD, longAgo, noStop())).toMatchObject({ kind: 'later' })
    await clock.pass(4000)
    expect(await destinations.enter(DEAD, longAgo, noStop())).toMatchObject({ kind: 'later' })
  })

  test('a hit that was accepted during a long outage waits as long as others did', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 8, clock, logger: silentLogger })
    await silence(destinations, clock, DEAD)
    for (let minutes = 0; minutes < 20; minutes += 2) {
      const probe = await destinations.enter(DEAD, clock.now(), noStop())
      if (probe.kind === 'pass') probe.end('timeout')
      await clock.pass(2 * 60_000)
    }
    passOf(destinations.enter(DEAD, clock.now(), noStop())).end('timeout')
    expect(await destinations.enter(DEAD, clock.now() - MAX_CIRCUIT_WAIT_MS, noStop())).toMatchObject({ kind: 'silent', error_class: 'timeout' })
    expect(await destinations.enter(DEAD, clock.now() - MAX_CIRCUIT_WAIT_MS + 1000, noStop())).toMatchObject({ kind: 'later' })
    expect(await destinations.enter(DEAD, clock.now(), noStop())).toMatchObject({ kind: 'later' })
  })

  test('other destinations are none of its concern', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 8, clock, logger: silentLogger })
    await silence(destinations, clock, DEAD)
    passOf(destinations.enter(HEALTHY, clock.now(), noStop()))
  })
})

describe('a hit that waits in its slot', () => {
  test('is given back at once where it is told to stop, before or meanwhile', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 1, clock, logger: silentLogger })
    const pass = passOf(destinations.enter(HEALTHY, clock.now(), noStop()))
    const stop = new AbortController()
    const waiting = destinations.enter(HEALTHY, clock.now(), stop.signal)
    const other = destinations.enter(HEALTHY, clock.now(), noStop())
    stop.abort()
    expect(await waiting).toEqual({ kind: 'later', delay_ms: 0 })
    expect(destinations.enter(HEALTHY, clock.now(), AbortSignal.abort())).toEqual({ kind: 'later', delay_ms: 0 })
    expect(destinations.list()).toMatchObject([{ waiting: 1 }])
    pass.end('answered')
    expect(await other).toMatchObject({ kind: 'pass' })
  })

  test('leaves no timer behind', async () => {
    const { clock, line } = lineOf({ [HEALTHY]: answers(5) })
    line.add(HEALTHY, 100)
    await clock.pass(1000)
    expect(clock.waiting).toBe(0)
  })
})

describe('what is remembered', () => {
  test('of destinations is bounded, and what is idle goes', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 8, clock, logger: silentLogger })
    await silence(destinations, clock, DEAD)
    const held = passOf(destinations.enter(HEALTHY, clock.now(), noStop()))
    for (let n = 0; n < 3000; n += 1) passOf(destinations.enter(`http://${n}.test`, clock.now(), noStop())).end('answered')
    expect(destinations.list()).toMatchObject([
      { origin: DEAD, circuit: 'open' },
      { origin: HEALTHY, active: 1 },
    ])
    await clock.pass(1)
    for (let n = 3000; n < 6000; n += 1) passOf(destinations.enter(`http://${n}.test`, clock.now(), noStop())).end('answered')
    expect(destinations.list()).toMatchObject([{ origin: HEALTHY, active: 1 }])
    held.end('answered')
    expect(destinations.list()).toEqual([])
  })

  test('goes where no hit comes any more, an open circuit too', async () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 8, clock, logger: silentLogger })
    await silence(destinations, clock, DEAD)
    await clock.pass(9 * 60_000)
    expect(destinations.list()).toMatchObject([{ origin: DEAD, circuit: 'half_open' }])
    await clock.pass(60_000)
    expect(destinations.list()).toEqual([])
  })

  test('is told of at most 100', () => {
    const clock = new FakeClock()
    const destinations = createDestinations({ perHost: 8, clock, logger: silentLogger })
    for (let n = 0; n < 150; n += 1) passOf(destinations.enter(`http://${n}.test`, clock.now(), noStop()))
    expect(destinations.list()).toHaveLength(100)
  })
})

describe('whatever happens', () => {
  const behaviour = fc.record({ ms: fc.integer({ min: 1, max: 40_000 }), verdict: fc.constantFrom('answered', 'timeout', 'connection_refused', 'nothing') })
  const arrivals = fc.array(fc.record({ origin: fc.nat(2), count: fc.integer({ min: 1, max: 30 }), wait: fc.nat(3000) }), { minLength: 1, maxLength: 12 })

  test('no destination has more than it may, every hit ends, and nothing is left waiting', async () => {
    await fc.assert(
      fc.asyncProperty(
        arrivals,
        fc.array(behaviour, { minLength: 3, maxLength: 3 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(),
        async (list, behaviours, slots, perHost, seed) => {
          const clock = new FakeClock({ seed })
          const named = Object.fromEntries(behaviours.map((given, n) => [`http://${n}.test`, () => given]))
          const { line, destinations } = lineOf(named, { slots, perHost, clock })
          for (const { origin, count, wait } of list) {
            line.add(`http://${origin}.test`, count)
            await clock.pass(wait)
          }
          for (let rounds = 0; rounds < 100 && line.unfinished > 0; rounds += 1) await clock.pass(5 * 60_000)
          expect(line.unfinished).toBe(0)
          for (const most of line.most.values()) expect(most).toBeLessThanOrEqual(perHost)
          expect(destinations.list().every(({ active, waiting }) => active === 0 && waiting === 0)).toBe(true)
          await clock.pass(60_000)
          expect(clock.waiting).toBe(0)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('a stop gives back all that waits, at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 1, max: 6 }), fc.nat(3000), async (slots, perHost, after) => {
        const { clock, line, destinations } = lineOf({ [DEAD]: times }, { slots, perHost })
        line.add(DEAD, 40)
        await clock.pass(after)
        line.stop()
        await clock.pass(1)
        expect(destinations.list().every(({ waiting }) => waiting === 0)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })
})
