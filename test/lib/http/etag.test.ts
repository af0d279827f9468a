import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { etagOf, ifMatchPasses, noneMatchHits } from '#lib/http/etag.ts'

const version = fc.integer({ min: 1, max: 1_000_000 })

describe('etag', () => {
  it('is quoted', () => expect(etagOf(7)).toBe('"7"'))

  it.each([
    ['7', true],
    ['"7"', true],
    ['W/"7"', true],
    ['"1", "7"', true],
    ['1,7', true],
    ['W/"1" ,W/"7"', true],
    ['*', true],
    [' 7 ', true],
    ['"a,b", "7"', true],
    ['0', false],
    ['"0"', false],
    ['"8"', false],
    ['"77"', false],
    ['77', false],
    ['07', false],
    ['7x', false],
    ['w/"7"', false],
    ['"7', false],
    ['', false],
    [',', false],
  ])('If-None-Match: %s names version 7: %s', (header, hits) => expect(noneMatchHits(header, 7)).toBe(hits))

  it.each([
    ['"7"', 7, true],
    ['7', 7, true],
    ['"6", "7"', 7, true],
    ['*', 7, true],
    ['*', 0, false],
    ['"0"', 0, true],
    ['0', 0, true],
    ['"0"', 7, false],
    ['"6"', 7, false],
    // Strong comparison: a weak tag never matches.
    ['W/"7"', 7, false],
    ['', 7, false],
    ['nonsense', 7, false],
  ])('If-Match: %s lets a change to version %i pass: %s', (header, latest, passes) => expect(ifMatchPasses(header, latest)).toBe(passes))

  it('finds a version in any list that holds it, and in none that does not', () => {
    fc.assert(
      fc.property(
        fc.array(version, { maxLength: 20 }),
        version,
        fc.constantFrom('"', ''),
        fc.constantFrom(',', ', ', ' , '),
        (others, wanted, quote, comma) => {
          const list = (versions: readonly number[]) => versions.map((one) => `${quote}${one}${quote}`).join(comma)
          expect(noneMatchHits(list([...others, wanted]), wanted)).toBe(true)
          const without = others.filter((one) => one !== wanted)
          expect(noneMatchHits(list(without), wanted)).toBe(false)
          expect(ifMatchPasses(list([...without, wanted]), wanted)).toBe(true)
          expect(ifMatchPasses(list(without), wanted)).toBe(false)
        },
      ),
    )
  })

  it('reads any header without failing, and fast', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => void noneMatchHits(header, 7)))
    const start = performance.now()
    for (const piece of ['"1",', '"', 'W/', ' ', ',', '*,']) noneMatchHits(piece.repeat(16_384 / piece.length), 7)
    expect(performance.now() - start).toBeLessThan(1000)
  })
})
