import { expect, it } from 'vitest'
import { keptHeaders } from '#services/worker/hits/answer-headers.ts'

it('keeps headers as they came, several lines of one joined, without cookies', () => {
  expect(
    keptHeaders({
      'content-type': 'text/plain',
      'set-cookie': ['session=secret', 'b=c'],
      vary: ['a', 'b'],
      odd: undefined,
      connection: 'close',
      'content-length': '5',
    }),
  ).toEqual({
    'content-type': 'text/plain',
    'set-cookie': '***',
    vary: 'a, b',
  })
})

it('keeps the first 4 KiB of them, and none by half', () => {
  const headers = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`x-${n}`, 'v'.repeat(1000)]))
  expect(Object.keys(keptHeaders(headers))).toEqual(['x-0', 'x-1', 'x-2', 'x-3'])
  expect(keptHeaders({ long: 'v'.repeat(5000), short: 'v' })).toEqual({})
})
