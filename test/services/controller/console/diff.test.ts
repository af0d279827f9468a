import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemClock } from '#lib/runtime/clock.ts'
import { compared } from '#services/controller/console/diff/compare.ts'
import { depthOf, jsonLines, prettyJson, textOf } from '#services/controller/console/diff/json-lines.ts'
import { lineDiff } from '#services/controller/console/diff/line-diff.ts'
import { DiffView } from '#services/controller/console/diff/view.tsx'
import { slicesOf } from '#services/controller/fleet/slices.ts'

const slices = slicesOf(systemClock)
const config = (data: Record<string, unknown>) => ({ data, poll_interval_seconds: 30 })
const compare = (from: Record<string, unknown>, to: Record<string, unknown>) => compared(config(from), config(to), slices)
const htmlOf = async (from: Record<string, unknown>, to: Record<string, unknown>) =>
  String(await DiffView({ diff: await compare(from, to), left: 'one', right: 'other' }))

describe('the lines of JSON', () => {
  it('are those of JSON.stringify', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        expect(await prettyJson(value, slices, Number.POSITIVE_INFINITY)).toBe(JSON.stringify(value, null, 2))
      }),
    )
  })

  it('are the same for the same content, whatever the order of keys', async () => {
    const [one, other] = [
      await jsonLines({ b: [1, { d: 2, c: 3 }], a: 4 }, slices, { sorted: true }),
      await jsonLines({ a: 4, b: [1, { c: 3, d: 2 }] }, slices, { sorted: true }),
    ]
    expect(one).toEqual(other)
    expect(one.lines.map((line) => [depthOf(line), textOf(line)]).slice(0, 3)).toEqual([
      [0, '{'],
      [1, '"a": 4'],
      [1, '"b": ['],
    ])
  })

  it('stand on one line where indentation would make them too many', async () => {
    expect(await prettyJson({ a: [1, 2] }, slices, 20)).toBe('{"a":[1,2]}')
  })
})

describe('the difference of lines', () => {
  const line = fc.constantFrom('a', 'b', 'c', 'd')

  it('makes the one from the other, and calls only lines the same that are', () => {
    fc.assert(
      fc.property(fc.array(line), fc.array(line), (from, to) => {
        const stretches = lineDiff(from, to)
        let [left, right] = [0, 0]
        for (const stretch of stretches) {
          expect([stretch.left, stretch.right]).toEqual([left, right])
          if (stretch.same) expect(from.slice(left, left + stretch.lefts)).toEqual(to.slice(right, right + stretch.rights))
          left += stretch.lefts
          right += stretch.rights
        }
        expect([left, right]).toEqual([from.length, to.length])
      }),
    )
  })

  it('holds lines against each other in their order where there are too many to search', () => {
    const many = Array.from({ length: 150_000 }, (_, i) => String(i))
    const other = many.map((text, i) => (i === 0 || i === 70_000 || i === 149_999 ? `${text}x` : text))
    expect(lineDiff(many, other).filter(({ same }) => !same)).toEqual(
      [0, 70_000, 149_999].map((at) => ({ same: false, left: at, right: at, lefts: 1, rights: 1 })),
    )
  })
})

describe('a difference as it is shown', () => {
  it('puts lines of one key beside each other, and marks what differs in them', async () => {
    const html = await htmlOf({ url: 'http://a.example/health' }, { other: 1, url: 'http://a.example/ready' })
    expect(html).toContain('&quot;url&quot;: &quot;http://a.example/<mark>health</mark>&quot;')
    expect(html).toMatch(/diff-row-changed">(?:(?!diff-row).)*health(?:(?!diff-row).)*ready/)
    expect(html).toMatch(/diff-row-added">(?:(?!diff-row).)*other/)
  })

  it('calls a comma behind a line that did not change no change', async () => {
    const { removed, added } = await compare({ tags: ['a'] }, { tags: ['a', 'b'] })
    expect([removed, added]).toEqual([0, 1])
  })

  it('folds what did not change, and leaves out what nobody would read', async () => {
    const some = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`k${100 + i}`, i]))
    expect(await htmlOf({ ...some, z: 1 }, { ...some, z: 2 })).toContain('<summary>59 lines unchanged</summary>')
    const many = Array.from({ length: 5000 }, (_, i) => i)
    const far = await htmlOf({ many, z: 1 }, { many, z: 2 })
    expect(far).toContain('5,001 lines unchanged')
    expect(far.length).toBeLessThan(10_000)
    const all = await htmlOf({ many }, { many: many.map((n) => n + 0.5) })
    expect(all).toMatch(/[78],\d\d\d lines more that differ/)
    expect(all.length).toBeLessThan(1_000_000)
  })

  it('shows what hides or turns text around as escapes, and cuts long lines', async () => {
    const html = await htmlOf({ a: 'x' }, { a: `\u202e${'y'.repeat(5000)}` })
    expect(html).toContain('\\u202e')
    expect(html).not.toContain('\u202e')
    expect(html).toContain('(5,')
    expect(html.match(/y/g)?.length).toBeLessThan(3000)
  })

  it('lets others be served while a large one is made', async () => {
    const deep = (value: unknown, levels: number): Record<string, unknown> => (levels === 0 ? { value } : { k: deep(value, levels - 1) })
    const large = (step: number) =>
      deep(
        Array.from({ length: 400_000 }, (_, i) => i % step),
        50,
      )
    let turns = 0
    const counting = setInterval(() => turns++, 1)
    const diff = await compare(large(1), large(3))
    clearInterval(counting)
    expect(diff.byPath).toBeUndefined()
    expect(turns).toBeGreaterThan(5)
  })
})
