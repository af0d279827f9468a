import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HttpReader, headerOf } from '../../bench/support/http-reader.ts'

/** Reads bytes that come in these pieces; gives each answer as it was understood. */
function read(pieces: readonly Buffer[]) {
  const answers: { status: number; etag: string | undefined; body: string }[] = []
  let current = { status: 0, etag: undefined as string | undefined, parts: [] as Buffer[] }
  const reader = new HttpReader({
    onHead: (head) => {
      current = { status: head.status, etag: headerOf(head, 'ETag'), parts: [] }
    },
    onBody: (bytes) => current.parts.push(Buffer.from(bytes)),
    onEnd: () => answers.push({ status: current.status, etag: current.etag, body: String(Buffer.concat(current.parts)) }),
  })
  for (const piece of pieces) reader.push(piece)
  return { answers, partial: String(Buffer.concat(current.parts)) }
}

const three = Buffer.from(
  [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "7"\r\n\r\ngrün',
    'HTTP/1.1 304 Not Modified\r\netag:"8"\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n',
    'HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n',
  ].join(''),
)
const understood = [
  { status: 200, etag: '"7"', body: 'grün' },
  { status: 304, etag: '"8"', body: '' },
  { status: 200, etag: undefined, body: 'abc0123456789' },
  { status: 201, etag: undefined, body: '' },
]

describe('answers are understood', () => {
  it('in one piece and byte by byte', () => {
    expect(read([three]).answers).toEqual(understood)
    expect(read([...three].map((byte) => Buffer.from([byte]))).answers).toEqual(understood)
  })

  it('wherever the network cuts them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: three.length - 1 }), { maxLength: 12 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), three.length]
        expect(read(at.slice(1).map((to, index) => three.subarray(at[index], to))).answers).toEqual(understood)
      }),
    )
  })

  it('though the buffer that brought them is written over', () => {
    const shared = Buffer.alloc(16)
    const answers: number[] = []
    const reader = new HttpReader({ onHead: ({ status }) => answers.push(status), onBody: () => {}, onEnd: () => {} })
    for (let at = 0; at < three.length; at += shared.length) reader.push(shared.subarray(0, three.copy(shared, 0, at, at + shared.length)))
    expect(answers).toEqual([200, 304, 200, 201])
  })

  it('as far as they have come', () => {
    expect(read([Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n8\r\nof')])).toEqual({ answers: [], partial: 'halfof' })
  })
})

describe('what is no answer is refused', () => {
  it.each([
    ['not HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', /is not HTTP/],
    ['without a length', 'HTTP/1.1 200 OK\r\nDate: now\r\n\r\n', /without a length/],
    ['a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n', /without a length/],
    ['a chunk without a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', /without a size/],
    ['a size with something behind it', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1g\r\n', /without a size/],
    ['a chunk longer than its size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n', /longer than its size/],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`, /no end of line/],
  ])('%s', (_name, text, message) => {
    expect(() => read([Buffer.from(text)])).toThrow(message)
  })
})
