import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkJson } from '#services/controller/console/json/check.ts'
import { syntaxProblem } from '#services/controller/console/json/syntax.ts'

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('the place of an error in JSON', () => {
  it.each([
    ['{"a": 1,}', 1, 9, 'no comma may stand before }'],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, 'expected a comma or the end of what is open, got "\\""'],
    ["{'a': 1}", 1, 2, 'strings stand in double quotes'],
    ['{a: 1}', 1, 2, 'expected a key in double quotes or }, got "a"'],
    ['[1, 2', 1, 6, 'the text ends where a comma or the end of what is open is expected'],
    ['[1, 2,]', 1, 7, 'no comma may stand before ]'],
    ['{"a": "b\n"}', 1, 9, 'the string does not end on its line'],
    ['{"a": "\\x"}', 1, 8, 'no escape begins so: write \\\\ for a backslash'],
    ['{"a": tru}', 1, 7, 'expected a value, got "t"'],
    ['{} {}', 1, 4, 'expected nothing more, got "{"'],
    ['{"a": 01}', 1, 8, 'expected a comma or the end of what is open, got "1"'],
    ['{"a" 1}', 1, 6, 'expected a colon, got "1"'],
    ['"abc', 1, 1, 'the string does not end'],
  ])('%j: line %i, column %i', (text, line, column, message) => {
    expect(isJson(text)).toBe(false)
    expect(syntaxProblem(text)).toEqual({ line, column, message })
  })

  it('is found where JSON.parse finds an error, and nowhere else', () => {
    const broken = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([text, at, piece]) => {
      const place = at % (text.length + 1)
      return text.slice(0, place) + piece + text.slice(place + (at % 3))
    })
    const near = fc
      .array(fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '"a"', '1', '-', '.5', 'e1', 'true', 'nul', ' ', '\n', '\\', '\\u00e'))
      .map((parts) => parts.join(''))
    for (const texts of [fc.json(), broken, near])
      fc.assert(
        fc.property(texts, (text) => {
          expect(syntaxProblem(text) === undefined, JSON.stringify(text)).toBe(isJson(text))
        }),
        { numRuns: 2000 },
      )
  })

  it('is found in time, however large and deep a text is', () => {
    for (const text of ['['.repeat(1_000_000), `"${'x'.repeat(1_000_000)}`, `[${'1,'.repeat(500_000)}]`, ' '.repeat(1_000_000), '1'.repeat(1_000_000)]) {
      const began = performance.now()
      syntaxProblem(text)
      expect(performance.now() - began).toBeLessThan(1000)
    }
  })

  it('is told with the rules of the API for what is JSON', () => {
    expect(checkJson('{"a": 1}', 'data')).toEqual({ value: { a: 1 } })
    expect(checkJson('{"__proto__": 1}', 'data')).toMatchObject({ path: 'data.__proto__' })
    expect(checkJson('{"a": {"__proto__": 1}}')).toMatchObject({ path: 'a.__proto__' })
    expect(checkJson('{"a": 1e400}', 'data')).toMatchObject({ path: 'data.a' })
    expect(checkJson('"text"', 'data')).toEqual({ path: 'data', message: 'expected a JSON object' })
    expect(checkJson('{"a": }', 'data')).toMatchObject({ path: 'data', line: 1, column: 7 })
  })
})
