import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Report, ReportSchema } from '#lib/contract/fleet.ts'
import { type HitOutcome, latencyBoundsMs } from '#lib/contract/outcome.ts'
import { PeerError } from '#lib/http/peer.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { Reporter } from '#services/agent/sync/reporter.ts'
import { VirtualClock } from '#test/_support/virtual-clock.ts'

const GAP = 30_000
/** An outcome of which only the count matters. */
const outcome = (completed: number, version = 1): HitOutcome => ({
  version,
  completed,
  failed: 0,
  by_error_class: {},
  latency: Array.from({ length: latencyBoundsMs.length + 1 }, () => 0),
})

/** A controller as the reporter sees it. */
class Link {
  readonly taken: { readonly at: number; readonly report: Report }[] = []
  readonly refused: Report[] = []
  /** What the next reports are answered with instead of being taken. */
  readonly failures: PeerError[] = []
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  report = async (report: Report): Promise<void> => {
    const failure = this.failures.shift()
    if (failure) {
      this.refused.push(report)
      throw failure
    }
    this.taken.push({ at: this.#clock.monotonic(), report: ReportSchema.parse(report) })
  }

  /** What was said of hits, report by report. */
  get hits(): (number | undefined)[] {
    return this.taken.map(({ report }) => report.hits?.[0]?.completed)
  }
}

let clock: VirtualClock
let link: Link
let reporter: Reporter
let stopping: AbortController
const begin = () => {
  clock = new VirtualClock(0)
  link = new Link(clock)
  stopping = new AbortController()
  reporter = new Reporter({ link, registerAgain: () => {}, registerBeside: () => {}, outcomeGapMs: GAP, logger: silentLogger, clock })
  void reporter.run(stopping.signal)
  reporter.connected(new Set(['report']))
}
beforeEach(begin)
afterEach(() => stopping.abort())

describe('what became of hits', () => {
  beforeEach(async () => {
    reporter.report({ version: 1, state: 'applied' })
    await clock.pass(1)
  })

  test('is told at once, then every half minute where it changes, and once more when it is over', async () => {
    for (let seconds = 0; seconds < 100; seconds += 5) {
      reporter.outcomes(seconds < 70 ? [outcome(seconds + 1)] : [])
      await clock.pass(5000)
    }
    expect(link.hits).toEqual([undefined, 1, 26, 56, undefined])
    expect(link.taken.map(({ at }) => Math.round(at / 5000) * 5000)).toEqual([0, 0, GAP, 2 * GAP, 3 * GAP])
    await clock.pass(3_600_000)
    expect(link.taken).toHaveLength(5)
  })

  test('is not told where there is none, or it does not change', async () => {
    for (let i = 0; i < 1000; i++) {
      reporter.outcomes([])
      await clock.pass(5000)
    }
    expect(link.taken).toHaveLength(1)
    for (let i = 0; i < 1000; i++) {
      reporter.outcomes([outcome(7)])
      await clock.pass(5000)
    }
    expect(link.hits).toEqual([undefined, 7])
  })

  test('goes with each report that is made anyway', async () => {
    reporter.outcomes([outcome(1)])
    await clock.pass(1000)
    reporter.outcomes([outcome(2)])
    reporter.report({ version: 2, state: 'applied' })
    await clock.pass(1000)
    expect(link.taken.map(({ report }) => report.version)).toEqual([1, 1, 2])
    expect(link.hits).toEqual([undefined, 1, 2])
    reporter.outcomes([outcome(3)])
    await clock.pass(GAP - 2000)
    expect(link.hits).toHaveLength(3)
    await clock.pass(2000)
    expect(link.hits).toEqual([undefined, 1, 2, 3])
  })

  test('is over where the worker has not told it for five minutes', async () => {
    reporter.outcomes([outcome(1)])
    await clock.pass(299_000)
    expect(link.hits).toEqual([undefined, 1])
    await clock.pass(2000)
    expect(link.hits).toEqual([undefined, 1, undefined])
  })

  test('is told again after a registration', async () => {
    reporter.outcomes([outcome(1)])
    await clock.pass(1000)
    reporter.connected(new Set(['report']))
    await clock.pass(1000)
    expect(link.hits).toEqual([undefined, 1, 1])
  })

  test('is told as it is by then, where the controller was away', async () => {
    link.failures.push(new PeerError('away'), new PeerError('busy', { status: 503, retryAfterMs: 5000 }))
    reporter.outcomes([outcome(1)])
    await clock.pass(100)
    reporter.outcomes([outcome(2)])
    await clock.pass(20_000)
    expect(link.refused).toHaveLength(2)
    expect(link.hits).toEqual([undefined, 2])
    expect(reporter.status.last_error).toBeNull()
  })

  test.each([400, 413])('does not keep the state from a controller that refuses it: %d', async (status) => {
    link.failures.push(new PeerError('not like this', { status }))
    reporter.outcomes([outcome(1)])
    reporter.report({ version: 2, state: 'applied' })
    await clock.pass(1000)
    expect(link.refused).toMatchObject([{ version: 2, hits: [{ completed: 1 }] }])
    expect(link.taken.map(({ report }) => report)).toEqual([
      { version: 1, state: 'applied' },
      { version: 2, state: 'applied' },
    ])
    // No more of it until it registers anew.
    reporter.outcomes([outcome(2)])
    await clock.pass(3_600_000)
    expect(link.taken).toHaveLength(2)
    reporter.connected(new Set(['report']))
    reporter.outcomes([outcome(3)])
    await clock.pass(1000)
    expect(link.hits).toEqual([undefined, undefined, 3])
  })

  test('nor does one that refuses everything get it over and over', async () => {
    link.failures.push(...Array.from({ length: 1000 }, () => new PeerError('no', { status: 400 })))
    for (let i = 1; i < 200; i++) {
      reporter.outcomes([outcome(i)])
      await clock.pass(5000)
    }
    expect(link.refused).toHaveLength(2)
  })

  test('is not told to a controller that takes no reports', async () => {
    reporter.connected(new Set())
    reporter.outcomes([outcome(1)])
    await clock.pass(3_600_000)
    expect(link.taken).toHaveLength(1)
  })
})

test('nothing is told of hits before there is a version to report', async () => {
  reporter.outcomes([outcome(1)])
  await clock.pass(100_000)
  expect(link.taken).toEqual([])
  reporter.report({ version: 1, state: 'applied' })
  await clock.pass(1000)
  expect(link.hits).toEqual([1])
})

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ outcomes: fc.constantFrom([], [1], [2], [3]), after: fc.integer({ min: 1, max: 40_000 }) }) },
  { weight: 1, arbitrary: fc.record({ version: fc.integer({ min: 1, max: 3 }), after: fc.integer({ min: 1, max: 40_000 }) }) },
  { weight: 1, arbitrary: fc.record({ fails: fc.integer({ min: 1, max: 3 }), after: fc.constant(1) }) },
)

test('whatever happens: no report says what is known, those for hits are half a minute apart, and in the end all is told', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      begin()
      let [told, state]: [readonly number[], number] = [[], 0]
      for (const one of steps) {
        if ('outcomes' in one) {
          told = one.outcomes
          reporter.outcomes(told.map((completed) => outcome(completed)))
        } else if ('version' in one) {
          state = one.version
          reporter.report({ version: state, state: 'applied' })
        } else link.failures.push(...Array.from({ length: one.fails }, () => new PeerError('away')))
        await clock.pass(one.after)
      }
      reporter.outcomes(told.map((completed) => outcome(completed)))
      await clock.pass(100_000)
      stopping.abort()
      const last = link.taken.at(-1)?.report
      expect(last).toEqual(
        state === 0 ? undefined : { version: state, state: 'applied', ...(told.length > 0 ? { hits: told.map((completed) => outcome(completed)) } : {}) },
      )
      for (const [index, { at, report }] of link.taken.entries()) {
        const before = link.taken[index - 1]
        if (before && link.refused.length === 0) expect(report).not.toEqual(before.report)
        const wasOfHits = before?.report.hits !== undefined || link.taken[index - 2]?.report.hits !== undefined
        if (before && wasOfHits && before.report.version === report.version && link.refused.length === 0) expect(at - before.at).toBeGreaterThanOrEqual(GAP - 1)
      }
    }),
    { numRuns: 100 },
  )
})
