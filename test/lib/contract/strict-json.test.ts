import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_JSON_DEPTH, parseStrictJson, StrictJsonError } from '#lib/contract/strict-json.ts'
import { type LosslessJson, losslessJson } from './lossless-json.ts'

/** The refusal of a text; fails where it is taken. */
function refusal(text: string): StrictJsonError {
  try {
    parseStrictJson(text)
  } catch (error) {
    if (error instanceof StrictJsonError) return error
    throw error
  }
  throw new Error(`was taken: ${text.slice(0, 200)}`)
}

/** Whitespace as JSON allows it. */
const space = fc.stringMatching(/^[ \n\r\t]{0,3}$/)
const digits = fc.stringMatching(/^[0-9]{1,25}$/)
/** Numbers in all notations of RFC 8259 section 6, many of them beyond a double. */
const numberText = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(fc.constant('0'), fc.stringMatching(/^[1-9][0-9]{0,24}$/)),
    fc.option(digits),
    fc.option(fc.tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), fc.stringMatching(/^[0-9]{1,4}$/))),
  )
  .map(([sign, whole, fraction, exponent]) => `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : exponent.join('')}`)
/** Keys that collide, hide, or are written in escapes. */
const keyText = fc.oneof(
  fc.constantFrom('"a"', '"\\u0061"', '"b"', '"__proto__"', '"\\u005f_proto__"', '"constructor"', '"toString"', '""', '"1"', '"a.b"'),
  fc.string({ unit: 'binary', maxLength: 6 }).map((text) => JSON.stringify(text)),
)
const stringText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\/"', '"\\\\"', '"\\\\\\""', '"{\\"a\\":1}"'),
)
const { document } = fc.letrec<{ document: string; object: string; array: string }>((tie) => ({
  document: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('null', 'true', 'false'),
    numberText,
    stringText,
    tie('array'),
    tie('object'),
  ),
  array: fc.tuple(space, fc.array(tie('document'), { maxLength: 4 })).map(([gap, items]) => `[${gap}${items.join(`${gap},${gap}`)}${gap}]`),
  object: fc
    .tuple(space, fc.array(fc.tuple(keyText, tie('document')), { maxLength: 4 }))
    .map(([gap, entries]) => `{${gap}${entries.map(([key, value]) => `${key}${gap}:${gap}${value}`).join(`${gap},`)}${gap}}`),
}))

describe('parseStrictJson', () => {
  it('takes a document only where storing it gives back the same document', () => {
    let taken = 0
    fc.assert(
      fc.property(document, (text) => {
        let stored: string
        try {
          stored = JSON.stringify(parseStrictJson(text))
        } catch (error) {
          expect(error).toBeInstanceOf(StrictJsonError)
          return
        }
        taken++
        // Through UTF-8 too: that is what the file and the wire hold.
        expect(losslessJson(Buffer.from(stored, 'utf8').toString('utf8'))).toEqual(losslessJson(text))
      }),
      { numRuns: 2000 },
    )
    expect(taken).toBeGreaterThan(100)
  })

  it('refuses no ordinary document', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value)
        fc.pre(!/__proto__/.test(text) && !hasUnsafeInteger(losslessJson(text)))
        expect(JSON.stringify(parseStrictJson(text))).toBe(JSON.stringify(JSON.parse(text)))
      }),
      { numRuns: 500 },
    )
  })

  it('answers any text with a value or a StrictJsonError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          document.map((text) => text.slice(0, -1)),
        ),
        (text) => {
          try {
            parseStrictJson(text)
          } catch (error) {
            expect(error).toBeInstanceOf(StrictJsonError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  it.each([
    ['{"a":{"__proto__":1}}', 'a.__proto__'],
    ['{"a":[{},{"\\u005f_proto__":{}}]}', 'a[1].__proto__'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"x":{"k":1,"k":1}}', 'x.k'],
    ['{"n":9007199254740992}', 'n'],
    ['{"n":[-9007199254740992]}', 'n[0]'],
    ['{"n":9007199254740993.0}', 'n'],
    ['{"n":1e400}', 'n'],
    ['{"n":1e-400}', 'n'],
    ['{"n":0.1234567890123456789}', 'n'],
    ['{"s":["\\ud800"]}', 's[0]'],
    ['{"\\udc00":1}', '\udc00'],
    ['', 'body'],
    ['   ', 'body'],
    ['{"a":1}x', 'body'],
    ['[1,]', 'body'],
    ["{'a':1}", 'body'],
    ['NaN', 'body'],
  ])('refuses %s and names the place', (text, path) => {
    expect(refusal(text).path).toBe(path)
  })

  it.each(['9007199254740991', '-9007199254740991', '1e15', '1.50', '1E+2', '0e9999999999', '5e-324'])('takes the number %s', (text) => {
    expect(parseStrictJson(text)).toBe(Number(text))
  })

  it('takes nesting to the limit and refuses one level more', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    expect(() => parseStrictJson(nested(MAX_JSON_DEPTH))).not.toThrow()
    expect(refusal(nested(MAX_JSON_DEPTH + 1)).message).toMatch(/deeper than 64/)
    const objects = `${'{"a":'.repeat(MAX_JSON_DEPTH + 1)}1${'}'.repeat(MAX_JSON_DEPTH + 1)}`
    expect(refusal(objects).message).toMatch(/deeper than 64/)
  })

  it('survives a megabyte of brackets', () => {
    expect(refusal('['.repeat(1 << 20)).path).toBe('body')
    expect(refusal('['.repeat(1 << 19) + ']'.repeat(1 << 19)).message).toMatch(/deeper/)
  })

  it.each([
    ['a number with zeros inside', () => `0.1${'0'.repeat(1_000_000)}1`],
    ['a number with zeros at its end', () => `0.1${'0'.repeat(1_000_000)}`],
    ['a string of escapes', () => `"${'\\\\'.repeat(500_000)}"`],
    ['a string of escaped quotes', () => `["${'\\"'.repeat(500_000)}"]`],
    ['whitespace', () => `[${' '.repeat(1_000_000)}1]`],
    ['keys', () => `{${Array.from({ length: 60_000 }, (_, i) => `"key${i}":1`).join(',')}}`],
  ])('needs linear time for a megabyte of %s', (_, text) => {
    const start = performance.now()
    try {
      parseStrictJson(text())
    } catch (error) {
      expect(error).toBeInstanceOf(StrictJsonError)
    }
    expect(performance.now() - start).toBeLessThan(2000)
  })

  it('keeps the path in an error short', () => {
    expect(refusal(`{"${'k'.repeat(10_000)}":1e999}`).path.length).toBeLessThan(310)
  })
})

/** Whether a document holds an integer in digits that is beyond the safe ones: those are refused on purpose. */
function hasUnsafeInteger(value: LosslessJson): boolean {
  if (value.kind === 'number') return Number.isInteger(Number(value.raw)) && !Number.isSafeInteger(Number(value.raw))
  if (value.kind === 'array') return value.items.some(hasUnsafeInteger)
  return value.kind === 'object' && [...value.members.values()].flat().some(hasUnsafeInteger)
}
