import fc from 'fast-check'
import { applyPatch } from 'rfc6902'
import { describe, expect, it } from 'vitest'
import { changesBetween } from '#lib/json/diff.ts'
import { differenceBetween } from '#lib/json/diff-text.ts'

// Keys that are awkward in pointers and in objects (but for `constructor`, which the other implementation refuses); few
// values, so that documents share parts.
const key = fc.constantFrom('', 'a', 'b', 'a/b', 'm~n', '~1', '0', '1', 'toString', 'ä', ' ')
const leaf = fc.constantFrom<unknown>(null, true, false, 0, 1, 1.5, '', 'a', 'b')
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value'), { maxLength: 5 }), fc.dictionary(key, tie('value'), { maxKeys: 5, noNullPrototype: true })),
})).value

const copy = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('changesBetween', () => {
  it('makes a patch that turns the one into the other, by another implementation of RFC 6902', () => {
    fc.assert(
      fc.property(json, json, (from, to) => {
        // In an object: the other implementation cannot replace the whole document.
        const document = copy({ root: from })
        const patch = changesBetween({ root: from }, { root: to }).map(({ operation }) => operation)
        expect(
          applyPatch(
            document,
            patch.map((operation) => ({ value: null, ...operation })),
          ).filter((error) => error !== null),
        ).toEqual([])
        expect(document).toEqual({ root: to })
      }),
      { numRuns: 2000 },
    )
  })

  it('takes keys that objects have of themselves as any other', () => {
    expect(changesBetween({}, { constructor: 1 }).map(({ operation }) => operation)).toEqual([{ op: 'add', path: '/constructor', value: 1 }])
    expect(changesBetween({ hasOwnProperty: 1 }, {}).map(({ operation }) => operation)).toEqual([{ op: 'remove', path: '/hasOwnProperty' }])
  })

  it('is empty where nothing differs but the order of keys', () => {
    expect(changesBetween({ a: 1, b: [{ c: 1, d: 2 }] }, { b: [{ d: 2, c: 1 }], a: 1 })).toEqual([])
  })

  it('touches one item where one was put in at the front of many', () => {
    const items = Array.from({ length: 1000 }, (_, i) => ({ i }))
    expect(changesBetween({ items }, { items: [{ i: -1 }, ...items] }).map(({ operation }) => operation)).toEqual([
      { op: 'add', path: '/items/0', value: { i: -1 } },
    ])
  })

  it('takes a changed array of a hundred thousand without comparing each item with each', () => {
    const length = 100_000
    const from = Array.from({ length }, (_, i) => i)
    const to = Array.from({ length }, (_, i) => i + length)
    // With the product of the lengths this is ten thousand million steps: the run's own limit would end it.
    expect(changesBetween(from, to)).toHaveLength(length)
  })
})

describe('differenceBetween', () => {
  it('says for people what was changed, added and removed', () => {
    const from = { data: { url: 'http://a/', old: [1], 'odd key': 1 }, poll_interval_seconds: 30 }
    const to = { data: { url: 'http://b/', items: [{ name: 'x' }], 'odd key': 2 }, poll_interval_seconds: 60 }
    expect(differenceBetween(from, to).text.split('\n')).toEqual([
      '~ data.url: "http://a/" -> "http://b/"',
      '- data.old: [1]',
      '~ data["odd key"]: 1 -> 2',
      '+ data.items: [{"name":"x"}]',
      '~ poll_interval_seconds: 30 -> 60',
    ])
  })

  it('adds everything where there was nothing', () => {
    expect(differenceBetween(undefined, { data: { a: 1 }, poll_interval_seconds: 30 })).toEqual({
      patch: [
        { op: 'add', path: '/data', value: { a: 1 } },
        { op: 'add', path: '/poll_interval_seconds', value: 30 },
      ],
      text: '+ data: {"a":1}\n+ poll_interval_seconds: 30',
    })
  })

  it('holds nothing that moves a cursor or turns text around, and no endless line', () => {
    const nasty = { '\u001b[2J': '\u202egnp.exe', long: 'x'.repeat(5000) }
    const { text } = differenceBetween({ data: {}, poll_interval_seconds: 30 }, { data: nasty, poll_interval_seconds: 30 })
    for (const character of ['\u001b', '\u202e']) expect(text).not.toContain(character)
    expect(text).toContain('\\u202egnp.exe')
    for (const line of text.split('\n')) expect(line.length).toBeLessThan(300)
  })
})
