import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { deadPort, plainAnswer, type RawHandler, RawTarget } from '#test/_support/targets.ts'
import { hit, jobFor, testExecutor } from './attempt.ts'

describe('an answer', () => {
  test('completes with status, text, sizes and timings', async () => {
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(200, 'hello')))
    await using executor = testExecutor()
    const result = await hit(executor, target.url('/a?b=c'))
    expect(result).toMatchObject({ status: 'completed', status_code: 200, body: 'hello', truncated: false, size_bytes: 5 })
    expect(result).not.toHaveProperty('body_encoding')
    expect(result.timings).toMatchObject({ connect: expect.any(Number), processing: expect.any(Number), transfer: expect.any(Number), reused: false })
    expect(result.timings).not.toHaveProperty('resolve')
    expect(target.requests[0]).toMatchObject({ method: 'GET', path: '/a?b=c' })
    expect(target.requests[0]?.headers).toMatchObject({
      'accept-encoding': 'identity',
      'idempotency-key': jobFor('').task_id,
      host: `127.0.0.1:${target.port}`,
    })
  })

  test('of any status completes', async () => {
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(503, 'down')))
    await using executor = testExecutor()
    expect(await hit(executor, target.url())).toMatchObject({ status: 'completed', status_code: 503, body: 'down' })
  })

  test.each([
    ['204', 'HTTP/1.1 204 X\r\n\r\n'],
    ['200 with Content-Length 0', 'HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n'],
    ['304', 'HTTP/1.1 304 X\r\n\r\n'],
    ['204 that says it is encoded', 'HTTP/1.1 204 X\r\nContent-Encoding: gzip\r\n\r\n'],
    ['200 with an empty body that says it is gzip', 'HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n'],
    ['200 with an empty body that says it is deflate', 'HTTP/1.1 200 X\r\nContent-Encoding: deflate\r\nContent-Length: 0\r\n\r\n'],
    ['200 with an empty body that says it is br', 'HTTP/1.1 200 X\r\nContent-Encoding: br\r\nContent-Length: 0\r\n\r\n'],
  ])('%s has an empty body', async (_name, answer) => {
    await using target = await RawTarget.open((socket) => socket.write(answer))
    await using executor = testExecutor()
    expect(await hit(executor, target.url())).toMatchObject({ status: 'completed', body: '', truncated: false, size_bytes: 0 })
  })

  test('after interim answers is the one that counts', async () => {
    await using target = await RawTarget.open((socket) => socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${plainAnswer(200, 'final').toString()}`))
    await using executor = testExecutor()
    expect(await hit(executor, target.url())).toMatchObject({ status: 'completed', status_code: 200, body: 'final' })
  })

  test('leaves the connection for the next hit', async () => {
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(200, 'x')))
    await using executor = testExecutor()
    expect((await hit(executor, target.url())).timings).toMatchObject({ reused: false })
    const second = await hit(executor, target.url('/2'))
    expect(second.timings).toMatchObject({ reused: true })
    expect(second.timings).not.toHaveProperty('connect')
    expect(target.connections).toBe(1)
  })

  test('a connection that the target closed meanwhile is not used again', async () => {
    await using target = await RawTarget.open((socket) => socket.end(plainAnswer(200, 'x')))
    await using executor = testExecutor()
    await hit(executor, target.url())
    await target.allClosed()
    expect(await hit(executor, target.url())).toMatchObject({ status: 'completed' })
    expect(target.connections).toBe(2)
  })
})

describe('data.request', () => {
  test('gives method, headers and body', async () => {
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(201)))
    await using executor = testExecutor()
    await hit(executor, target.url(), { method: 'POST', headers: { 'X-One': '1', Accept: 'text/plain' }, body: 'data' })
    expect(target.requests[0]).toMatchObject({ method: 'POST', body: 'data' })
    expect(target.requests[0]?.headers).toMatchObject({ 'x-one': '1', accept: 'text/plain', 'content-length': '4' })
  })

  test('expect_status: another status fails, with the answer', async () => {
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(404, 'none', { 'Retry-After': '7' })))
    await using executor = testExecutor()
    const outcome = await executor.execute(jobFor(target.url('/x?token=secret'), { expect_status: [200] }), new AbortController().signal)
    expect(outcome).toMatchObject({
      kind: 'finished',
      retry_after_ms: 7000,
      result: { status: 'failed', error_class: 'unexpected_status', status_code: 404, body: 'none' },
    })
    expect(JSON.stringify(outcome)).not.toContain('secret')
  })

  test('that no worker understands fails as internal, and names the field', async () => {
    await using executor = testExecutor()
    const result = await hit(executor, 'http://127.0.0.1:9/', { method: 'EAT' })
    expect(result).toMatchObject({ status: 'failed', error_class: 'internal', error: expect.stringContaining('data.request.method: expected one of GET') })
  })

  test('timeout_seconds goes before the default', async () => {
    await using target = await RawTarget.open(() => {})
    await using executor = testExecutor({ timeoutMs: 60_000 })
    expect(await hit(executor, target.url(), { timeout_seconds: 0.2 })).toMatchObject({
      error_class: 'timeout',
      error: expect.stringContaining('within 0.2 s'),
    })
  })
})

/** Writes a piece again and again, as long as the other side takes it. */
const endless = (socket: Parameters<RawHandler>[0], piece: string | Buffer): void => {
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
  }
  socket.on('drain', more)
  more()
}

const hostile: readonly (readonly [name: string, handler: RawHandler, errorClass: string])[] = [
  ['resets before it answers', (socket) => socket.resetAndDestroy(), 'connection_reset'],
  ['closes before it answers', (socket) => socket.end(), 'connection_reset'],
  ['never answers', () => {}, 'timeout'],
  ['stalls within its headers', (socket) => socket.write('HTTP/1.1 200 X\r\nX-A: b'), 'timeout'],
  ['stalls after its headers', (socket) => socket.write('HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n'), 'timeout'],
  [
    'stalls within a gzip body',
    (socket) => socket.write(plainAnswer(200, gzipSync('hello, hello'), { 'Content-Encoding': 'gzip' }).subarray(0, -9)),
    'timeout',
  ],
  ['stalls within its body', (socket) => socket.write('HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nab'), 'timeout'],
  [
    'drips a byte at a time',
    (socket) => {
      socket.write('HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n')
      const timer = setInterval(() => socket.write('x'), 20)
      socket.on('close', () => clearInterval(timer))
    },
    'timeout',
  ],
  [
    'drips headers',
    (socket) => {
      socket.write('HTTP/1.1 200 X\r\n')
      const timer = setInterval(() => socket.write('a: b\r\n'), 20)
      socket.on('close', () => clearInterval(timer))
    },
    'timeout',
  ],
  ['sends interim answers for ever', (socket) => endless(socket, 'HTTP/1.1 103 X\r\n\r\n'.repeat(100)), 'timeout'],
  ['sends 100 out of place', (socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 'invalid_response'],
  ['switches protocols unasked', (socket) => socket.write('HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'), 'invalid_response'],
  ['does not speak HTTP', (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'), 'invalid_response'],
  ['has a bad chunk size', (socket) => socket.write('HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n'), 'invalid_response'],
  [
    'has a chunk longer than it says',
    (socket) => socket.write('HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n'),
    'invalid_response',
  ],
  ['ends within a chunk', (socket) => socket.end('HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe'), 'connection_reset'],
  [
    'ends within a chunk, having said close',
    (socket) => socket.end('HTTP/1.1 200 X\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe'),
    'connection_reset',
  ],
  ['has huge headers', (socket) => socket.write(`HTTP/1.1 200 X\r\n${`X-Long: ${'a'.repeat(1000)}\r\n`.repeat(40)}\r\n`), 'invalid_response'],
  ['has one endless header', (socket) => endless(socket.write('HTTP/1.1 200 X\r\nX-Long: ') ? socket : socket, 'a'.repeat(10_000)), 'invalid_response'],
  ['sends fewer bytes than Content-Length', (socket) => socket.end('HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhello'), 'connection_reset'],
  [
    'sends fewer bytes than Content-Length, having said close',
    (socket) => socket.end('HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhello'),
    'connection_reset',
  ],
  ['has two Content-Lengths', (socket) => socket.write('HTTP/1.1 200 X\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'), 'invalid_response'],
  ['has a Content-Length that is no number', (socket) => socket.write('HTTP/1.1 200 X\r\nContent-Length: five\r\n\r\nhello'), 'invalid_response'],
  ['breaks a gzip body', (socket) => socket.write(plainAnswer(200, 'this is not gzip', { 'Content-Encoding': 'gzip' })), 'invalid_response'],
  ['breaks a deflate body', (socket) => socket.write(plainAnswer(200, 'this is not deflate', { 'Content-Encoding': 'deflate' })), 'invalid_response'],
  ['breaks a br body', (socket) => socket.write(plainAnswer(200, 'this is not brotli', { 'Content-Encoding': 'br' })), 'invalid_response'],
]

describe('a target that', () => {
  test.each(hostile)('%s', async (_name, handler, errorClass) => {
    await using target = await RawTarget.open(handler)
    await using executor = testExecutor({ timeoutMs: 300 })
    const started = performance.now()
    const result = await hit(executor, target.url('/path?secret=1'))
    expect(result).toMatchObject({ status: 'failed', error_class: errorClass })
    expect(performance.now() - started).toBeLessThan(1300)
    expect(result.error).toMatch(new RegExp(`^Cannot GET http://127.0.0.1:${target.port}/path: `))
    expect(result.error).not.toContain('secret')
    await target.allClosed()
  })

  test('has headers over the limit that was given', async () => {
    await using target = await RawTarget.open((socket) => socket.write(plainAnswer(200, '', { 'X-Long': 'a'.repeat(1000) })))
    await using executor = testExecutor({ maxHeaderBytes: 900 })
    expect(await hit(executor, target.url())).toMatchObject({ error_class: 'invalid_response', error: expect.stringContaining('too large') })
  })

  test('refuses connections', async () => {
    await using executor = testExecutor()
    const result = await hit(executor, `http://127.0.0.1:${await deadPort()}/`)
    expect(result).toMatchObject({ status: 'failed', error_class: 'connection_refused', timings: { total: expect.any(Number) } })
  })

  test('sends more than its Content-Length: the rest is no answer to the next hit', async () => {
    await using target = await RawTarget.open((socket, { path }) =>
      socket.write(`HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n${path === '/1' ? `okHTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nwrong` : 'ok'}`),
    )
    await using executor = testExecutor()
    expect(await hit(executor, target.url('/1'))).toMatchObject({ status: 'completed', body: 'ok', size_bytes: 2 })
    expect((await hit(executor, target.url('/2'))).body).not.toBe('wrong')
  })
})

describe('stopping', () => {
  test('by the signal is told as such, and closes the connection', async () => {
    await using target = await RawTarget.open(() => {})
    await using executor = testExecutor()
    const stop = new AbortController()
    const attempt = executor.execute(jobFor(target.url()), stop.signal)
    await expect.poll(() => target.requests.length).toBe(1)
    stop.abort()
    expect(await attempt).toEqual({ kind: 'stopped' })
    await target.allClosed()
  })

  test('before it began makes no request', async () => {
    await using target = await RawTarget.open(() => {})
    await using executor = testExecutor()
    expect(await executor.execute(jobFor(target.url()), AbortSignal.abort())).toEqual({ kind: 'stopped' })
    expect(target.connections).toBe(0)
  })

  test('while the name is looked up does not wait for the answer', async () => {
    await using executor = testExecutor({ resolve: () => new Promise(() => {}) })
    const stop = new AbortController()
    const attempt = executor.execute(jobFor('http://slow.test/'), stop.signal)
    await delay(10)
    stop.abort()
    expect(await attempt).toEqual({ kind: 'stopped' })
  })

  test('by close: what runs is stopped, unused connections are closed', async () => {
    await using target = await RawTarget.open((socket, { path }) => path === '/now' && socket.write(plainAnswer(200)))
    const executor = testExecutor()
    await hit(executor, target.url('/now'))
    const attempt = executor.execute(jobFor(target.url('/never')), new AbortController().signal)
    await expect.poll(() => target.requests.length).toBe(2)
    const closed = target.allClosed()
    let ended = false
    void attempt.then(() => {
      ended = true
    })
    await executor.close()
    expect(ended).toBe(true)
    expect(await attempt).toEqual({ kind: 'stopped' })
    await closed
    expect(await executor.execute(jobFor(target.url('/now')), new AbortController().signal)).toEqual({ kind: 'stopped' })
  })
})
