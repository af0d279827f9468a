import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fieldsOf, traceContextOf, traceHeaders, traceLogFields, traceOfRequest } from '#lib/observe/trace/context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const good = `00-${traceId}-${parentId}-01`

describe('traceparent', () => {
  it.each([
    ['as it is', good, good],
    ['not sampled', `00-${traceId}-${parentId}-00`, `00-${traceId}-${parentId}-00`],
    ['flags that nobody knows', `00-${traceId}-${parentId}-ff`, `00-${traceId}-${parentId}-ff`],
    ['a later version', `01-${traceId}-${parentId}-01`, good],
    ['a later version with more', `cc-${traceId}-${parentId}-01-what-the-future-brings`, good],
    ['a later version that ends with a dash', `cc-${traceId}-${parentId}-01-`, good],
  ])('is taken: %s', (_what, given, passedOn) => {
    expect(traceContextOf(given)).toEqual({ traceparent: passedOn })
  })

  it.each([
    ['nothing', ''],
    ['version ff', `ff-${traceId}-${parentId}-01`],
    ['version 00 with more', `${good}-more`],
    ['version 00 that ends with a dash', `${good}-`],
    ['a later version with more that is no field', `cc-${traceId}-${parentId}-01.what`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${parentId}-01`],
    ['a parent id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['upper case', good.toUpperCase()],
    ['a short trace id', `00-${traceId.slice(1)}-${parentId}-01`],
    ['a long parent id', `00-${traceId}-${parentId}0-01`],
    ['no flags', `00-${traceId}-${parentId}`],
    ['flags that are no hex', `00-${traceId}-${parentId}-0x`],
    ['spaces around it', ` ${good} `],
    ['a line break behind it', `${good}\n`],
    ['two of them, as Node joins them', `${good}, ${good}`],
  ])('is as good as absent: %s', (_what, given) => {
    expect(traceContextOf(given)).toBeUndefined()
    expect(traceLogFields(given)).toEqual({})
  })

  it('is passed on whole or not at all, whatever comes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,9}$/)), (text) => {
        const passedOn = traceContextOf(text)?.traceparent
        if (passedOn === undefined) return
        expect(passedOn).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)
        expect(text.slice(2).startsWith(passedOn.slice(2))).toBe(true)
      }),
    )
  })

  it('gives its fields, and the trace id to logs', () => {
    expect(fieldsOf(good)).toEqual({ traceId, parentId, flags: '01' })
    expect(traceLogFields(good)).toEqual({ trace_id: traceId })
  })
})

describe('tracestate', () => {
  const of = (tracestate: string) => traceOfRequest(new Headers({ traceparent: good, tracestate }))
  const members = (count: number, value = '1') => Array.from({ length: count }, (_, at) => `k${at}=${value}`).join(',')

  it.each([
    ['one member', 'rojo=00f067aa0ba902b7', 'rojo=00f067aa0ba902b7'],
    ['a tenant, spaces and empty members', 'fw529a3039@dt=FfAC , ,congo=t61 r', 'fw529a3039@dt=FfAC,congo=t61 r'],
    ['32 members', members(32), members(32)],
  ])('is passed on: %s', (_what, given, passedOn) => {
    expect(of(given)).toEqual({ traceparent: good, tracestate: passedOn })
    expect(traceHeaders(of(given))).toEqual({ traceparent: good, tracestate: passedOn })
  })

  it.each([
    ['33 members', members(33)],
    ['more than 512 characters', members(10, 'x'.repeat(60))],
    ['the same key twice', 'a=1,a=2'],
    ['no value', 'a'],
    ['an upper-case key', 'A=1'],
    ['an equals sign in a value', 'a=b=c'],
    ['nothing', ' , '],
  ])('is left out, and the trace goes on: %s', (_what, given) => {
    expect(of(given)).toEqual({ traceparent: good })
  })

  it('is not read without a traceparent', () => {
    expect(traceOfRequest(new Headers({ tracestate: 'a=1' }))).toBeUndefined()
    expect(traceOfRequest(new Headers({ traceparent: 'x', tracestate: 'a=1' }))).toBeUndefined()
    expect(traceHeaders(undefined)).toEqual({})
  })
})
