import { describe, expect, it } from 'vitest'
import { type History, problemsOf } from '../../bench/fleet/history.ts'

const allowance = { undisturbed_ms: 1000, disturbed_ms: 35_000, every_version: true }
const published = [
  { version: 1, at: 1000 },
  { version: 2, at: 5000 },
  { version: 3, at: 9000 },
]
/** A history of `[version, at]`. */
const history = (held: readonly (readonly [number, number])[], outages: History['outages'] = []): History => ({
  held: held.map(([version, at]) => ({ version, at })),
  outages,
})
const problems = (agent: History, options: Partial<typeof allowance> = {}, now = 60_000) => problemsOf(agent, published, { ...allowance, ...options }, now)

describe('a history in which nothing is wrong', () => {
  it.each([
    [
      'each version in time',
      history([
        [1, 1010],
        [2, 5999],
        [3, 9999],
      ]),
    ],
    [
      'one it had before the first publish',
      history([
        [0, 10],
        [1, 1010],
        [2, 5010],
        [3, 9010],
      ]),
    ],
    [
      'late and with a gap, cut off meanwhile',
      history(
        [
          [1, 1010],
          [3, 20_000],
        ],
        [{ from: 4000, to: 19_000 }],
      ),
    ],
    [
      'cut off just after a publish',
      history(
        [
          [1, 1010],
          [2, 20_000],
          [3, 20_001],
        ],
        [{ from: 5001, to: 19_000 }],
      ),
    ],
  ])('%s', (_name, agent) => {
    expect(problems(agent)).toEqual([])
  })

  it('a gap, where it polls', () => {
    expect(
      problems(
        history([
          [1, 1010],
          [3, 9010],
        ]),
        { undisturbed_ms: 5000, every_version: false },
      ),
    ).toEqual([])
  })

  it('a version that is still on its way', () => {
    expect(
      problems(
        history([
          [1, 1010],
          [2, 5010],
        ]),
        {},
        9500,
      ),
    ).toEqual([])
  })
})

describe('what breaks a guarantee is named', () => {
  it.each([
    [
      'an older version after a newer',
      history([
        [1, 1010],
        [2, 5010],
        [1, 5020],
        [3, 9010],
      ]),
      [/took version 1 after version 2/],
    ],
    [
      'the same version again',
      history([
        [1, 1010],
        [2, 5010],
        [2, 5020],
        [3, 9010],
      ]),
      [/took version 2 after version 2/],
    ],
    [
      'late',
      history([
        [1, 1010],
        [2, 6001],
        [3, 9010],
      ]),
      [/got version 2 after 1001 ms, at most 1000/],
    ],
    [
      'later than an outage explains',
      history(
        [
          [1, 1010],
          [2, 40_001],
          [3, 40_002],
        ],
        [{ from: 4000, to: 5001 }],
      ),
      [/got version 2 after 35001 ms.*after an outage/, /got version 3/],
    ],
    [
      'late after an outage that was over before',
      history(
        [
          [1, 1010],
          [2, 7000],
          [3, 9010],
        ],
        [{ from: 2000, to: 4999 }],
      ),
      [/got version 2 after 2000 ms, at most 1000/],
    ],
    [
      'a version left out',
      history([
        [1, 1010],
        [3, 9010],
      ]),
      [/got version 2 after 4010 ms/],
    ],
    [
      'the latest never came',
      history([
        [1, 1010],
        [2, 5010],
      ]),
      [/did not get version 3 within 51000 ms, holds 2/],
    ],
    ['nothing at all', history([]), [/did not get version 1 .* holds none/, /version 2/, /version 3/]],
    [
      'cut off for good',
      history(
        [
          [1, 1010],
          [2, 5010],
        ],
        [{ from: 8000, to: undefined }],
      ),
      [/did not get version 3/],
    ],
  ])('%s', (_name, agent, wanted) => {
    expect(problems(agent)).toEqual(wanted.map((each) => expect.stringMatching(each)))
  })

  it('a version left out in so short a while that it was not late', () => {
    expect(
      problems(
        history([
          [1, 1010],
          [3, 9010],
        ]),
        { undisturbed_ms: 10_000 },
      ),
    ).toEqual([expect.stringMatching(/never saw version 2/)])
  })
})
