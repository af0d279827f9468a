import { randomBytes } from 'node:crypto'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bodyFields } from '#services/worker/hits/text.ts'
import { plainAnswer, type RawHandler, RawTarget } from '#test/_support/targets.ts'
import { hit, testExecutor } from './attempt.ts'

const LIMIT = 1000
const answer = async (handler: RawHandler, limit = LIMIT) => {
  await using target = await RawTarget.open(handler)
  await using executor = testExecutor({ maxBodyBytes: limit })
  return await hit(executor, target.url())
}
const plain = (body: string | Uint8Array, headers?: Readonly<Record<string, string>>, limit?: number) =>
  answer((socket) => socket.write(plainAnswer(200, body, headers)), limit)
const chunked = (body: string): string => `HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

describe('the limit', () => {
  test.each([
    [LIMIT - 1, false],
    [LIMIT, false],
    [LIMIT + 1, true],
    [LIMIT * 3, true],
  ])('a body of %d bytes: truncated %s', async (length, truncated) => {
    const result = await plain('x'.repeat(length))
    expect(result).toMatchObject({ status: 'completed', truncated, size_bytes: length, body: 'x'.repeat(Math.min(length, LIMIT)) })
  })

  test('without a Content-Length, size_bytes is what was seen', async () => {
    expect(await answer((socket) => socket.write(chunked('x'.repeat(LIMIT))))).toMatchObject({ truncated: false, size_bytes: LIMIT })
    const over = await answer((socket) => socket.write(chunked('x'.repeat(LIMIT + 5))))
    expect(over).toMatchObject({ truncated: true, body: 'x'.repeat(LIMIT) })
    expect(over.size_bytes).toBeGreaterThan(LIMIT)
  })

  test('zero keeps nothing', async () => {
    expect(await plain('hello', {}, 0)).toMatchObject({ status: 'completed', body: '', truncated: true, size_bytes: 5 })
    expect(await plain('', {}, 0)).toMatchObject({ status: 'completed', body: '', truncated: false, size_bytes: 0 })
  })

  test('a large Content-Length is not waited for', async () => {
    const result = await answer((socket) => socket.write(`HTTP/1.1 200 X\r\nContent-Length: 99999999\r\n\r\n${'x'.repeat(LIMIT)}`))
    expect(result).toMatchObject({ status: 'completed', truncated: true, size_bytes: 99_999_999 })
  })

  test('10 GB are told, and neither read nor kept, also by many hits at once', async () => {
    const tenGigabytes = 10_000_000_000
    let sent = 0
    await using target = await RawTarget.open((socket) => {
      socket.write(`HTTP/1.1 200 X\r\nContent-Length: ${tenGigabytes}\r\n\r\n`)
      const piece = Buffer.alloc(65_536, 'x')
      const more = () => {
        do sent += piece.length
        while (!socket.destroyed && socket.write(piece))
      }
      socket.on('drain', more)
      more()
    })
    await using executor = testExecutor({ maxBodyBytes: 256 * 1024 })
    const before = process.memoryUsage()
    const started = performance.now()
    const results = await Promise.all(Array.from({ length: 20 }, () => hit(executor, target.url())))
    const after = process.memoryUsage()
    expect(performance.now() - started).toBeLessThan(3000)
    for (const result of results) expect(result).toMatchObject({ status: 'completed', truncated: true, size_bytes: tenGigabytes, body: 'x'.repeat(256 * 1024) })
    expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(256 * 1024 * 1024)
    await target.allClosed()
    expect(sent).toBeLessThan(20 * 32 * 1024 * 1024)
  })

  test('stops reading an endless body: the connection is closed, the memory bounded', async () => {
    let sent = 0
    await using target = await RawTarget.open((socket) => {
      socket.write('HTTP/1.1 200 X\r\n\r\n')
      const piece = Buffer.alloc(65_536, 'x')
      const more = () => {
        do sent += piece.length
        while (!socket.destroyed && socket.write(piece))
      }
      socket.on('drain', more)
      more()
    })
    await using executor = testExecutor({ maxBodyBytes: 256 * 1024 })
    expect(await hit(executor, target.url())).toMatchObject({ status: 'completed', truncated: true, body: 'x'.repeat(256 * 1024) })
    await target.allClosed()
    // What the kernel's buffers hold beside it.
    expect(sent).toBeLessThan(32 * 1024 * 1024)
  })
})

describe('an encoded answer', () => {
  const text = 'hello, hello, hello, wörld'
  test.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
    ['deflate, gzip', gzipSync(deflateSync(text))],
    ['identity', Buffer.from(text)],
  ])('in %s is decoded', async (coding, body) => {
    expect(await plain(body, { 'Content-Encoding': coding })).toMatchObject({
      status: 'completed',
      body: text,
      truncated: false,
      size_bytes: Buffer.byteLength(text),
    })
  })

  test('that is large comes whole, and leaves the connection for the next hit', async () => {
    const bytes = Buffer.from(randomBytes(1_500_000).toString('hex'))
    const compressed = gzipSync(bytes)
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(200, compressed, { 'Content-Encoding': 'gzip' })))
    await using executor = testExecutor({ maxBodyBytes: 4_000_000, timeoutMs: 15_000 })
    for (const reused of [false, true]) {
      const result = await hit(executor, target.url())
      expect(result).toMatchObject({ status: 'completed', truncated: false, size_bytes: bytes.length, timings: { reused } })
      expect(result.body === bytes.toString()).toBe(true)
    }
  })

  test('with something behind its end is no start of the next answer', async () => {
    const body = Buffer.concat([gzipSync('hello'), Buffer.from('HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nwrong')])
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(200, body, { 'Content-Encoding': 'gzip' })))
    await using executor = testExecutor()
    for (const _attempt of [1, 2]) expect((await hit(executor, target.url())).body).not.toBe('wrong')
  })

  test('in an unknown coding is left as it is', async () => {
    const bytes = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
    expect(await plain(bytes, { 'Content-Encoding': 'zstd' })).toMatchObject({ body: bytes.toString('base64'), body_encoding: 'base64', size_bytes: 4 })
  })

  test('in too many codings is left as it is', async () => {
    const bytes = gzipSync(gzipSync(gzipSync(gzipSync('x'))))
    expect(await plain(bytes, { 'Content-Encoding': 'gzip, gzip, gzip, gzip' })).toMatchObject({ body_encoding: 'base64' })
  })

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('that ends too early in %s is invalid', async (coding, compress) => {
    const whole = compress(Buffer.from(Array.from({ length: 500 }, (_, index) => (index * 7919) % 251)))
    expect(await plain(whole.subarray(0, whole.length - 20), { 'Content-Encoding': coding })).toMatchObject({
      status: 'failed',
      error_class: 'invalid_response',
    })
  })

  test.each([
    ['gzip', gzipSync(Buffer.alloc(200_000_000))],
    ['deflate', deflateSync(Buffer.alloc(200_000_000))],
    ['br', brotliCompressSync(Buffer.alloc(200_000_000))],
    ['gzip, gzip', gzipSync(gzipSync(Buffer.alloc(200_000_000)))],
  ])('that is a bomb in %s is decoded up to the limit and no further', async (coding, bomb) => {
    const before = process.memoryUsage()
    const started = performance.now()
    const result = await plain(bomb, { 'Content-Encoding': coding }, 256 * 1024)
    const after = process.memoryUsage()
    expect(result).toMatchObject({ status: 'completed', truncated: true })
    expect(Buffer.from(result.body ?? '', 'base64')).toHaveLength(256 * 1024)
    expect(result.size_bytes).toBeLessThan(1024 * 1024)
    expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(32 * 1024 * 1024)
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

describe('text and bytes', () => {
  test('all 256 byte values come back from base64', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
    const result = await plain(bytes, { 'Content-Type': 'application/octet-stream' })
    expect(result).toMatchObject({ body_encoding: 'base64', size_bytes: 256, truncated: false })
    expect(Buffer.from(result.body ?? '', 'base64')).toEqual(bytes)
  })

  test.each([
    ['latin-1 by its charset', Buffer.from('wörld', 'latin1'), 'text/plain; charset=ISO-8859-1', { body: 'wörld' }],
    ['a quoted charset', Buffer.from('wörld', 'latin1'), 'text/html; charset="windows-1252"', { body: 'wörld' }],
    ['utf-16 by its charset', Buffer.from('wörld', 'utf16le'), 'application/json; charset=utf-16le', { body: 'wörld' }],
    ['utf-8 without a type', Buffer.from('wörld ✓'), undefined, { body: 'wörld ✓' }],
    ['utf-8 of an unknown charset', Buffer.from('wörld'), 'text/plain; charset=klingon', { body: 'wörld' }],
    ['a byte order mark stays', Buffer.from('\ufeffx'), 'text/plain', { body: '\ufeffx' }],
    ['invalid utf-8', Buffer.from([0x68, 0xff, 0xfe]), 'text/plain', { body: 'aP/+', body_encoding: 'base64' }],
    ['invalid in its own charset', Buffer.from([0xff]), 'text/plain; charset=utf-8', { body: '/w==', body_encoding: 'base64' }],
    ['a NUL', Buffer.from([0x61, 0x00]), 'text/plain', { body: 'YQA=', body_encoding: 'base64' }],
    ['bytes that claim a one-byte charset', Buffer.from([0x89, 0x50]), 'image/png; charset=latin1', { body: 'iVA=', body_encoding: 'base64' }],
  ])('%s', (_name, bytes, type, fields) => {
    expect(bodyFields(bytes, type, false)).toEqual(fields)
  })

  test('a character that the limit cuts in two is left out', async () => {
    expect(await plain('aaé', {}, 3)).toMatchObject({ body: 'aa', truncated: true })
    expect(bodyFields(Buffer.from([0x61, 0xc3]), undefined, false)).toHaveProperty('body_encoding')
  })

  test('any bytes can be had back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const { body = '', body_encoding } = bodyFields(Buffer.from(bytes), undefined, false)
        expect(Buffer.from(body, body_encoding ?? 'utf8')).toEqual(Buffer.from(bytes))
      }),
    )
  })
})
