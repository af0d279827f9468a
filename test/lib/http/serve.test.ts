import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createApp } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { type Listening, type RequestTimeouts, serve } from '#lib/http/serve.ts'
import { createLogger } from '#lib/observe/logger.ts'
import { StartError } from '#lib/runtime/env.ts'
import { checkError } from '#test/_support/controller.ts'
import { type RawAnswer, rawAnswers, rawRequest, requestBytes } from '#test/_support/raw-http.ts'

let log: string[] = []
let listening: Listening | undefined
let finished = 0
let release: () => void = () => {}
let began: Promise<void> = Promise.resolve()

async function open(timeouts?: RequestTimeouts): Promise<number> {
  log = []
  const app = createApp({ logger: createLogger({ service: 'worker', level: 'info', format: 'json', destination: { write: (line) => void log.push(line) } }) })
  finished = 0
  app.use(async (_, next) => {
    await next()
    finished++
  })
  app.get('/', (c) => c.text('hello'))
  app.post('/body', strictJsonBody({ maxBytes: 1 << 20 }), (c) => c.text('taken'))
  began = new Promise((start) => {
    app.get('/held', async (c) => {
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      start()
      await held
      return c.text('released')
    })
  })
  listening = await serve({ fetch: app.fetch, port: 0, host: '127.0.0.1', name: 'worker', ...(timeouts ? { timeouts } : {}) })
  return listening.port
}

function refused(answer: RawAnswer | undefined, status: number): void {
  expect(answer?.status).toBe(status)
  if (answer) checkError(answer)
}

afterEach(async () => {
  release()
  await listening?.close(AbortSignal.abort())
  listening = undefined
})

describe('serve', () => {
  it.each([
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['a TLS hello', Buffer.from('16030100a5010000a10303', 'hex')],
    ['a wrong version', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n'],
    ['a header without a name', 'GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n'],
    ['a folded header', 'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n'],
    ['a control character in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
    ['two lengths', 'POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['a length and chunks', 'POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a negative length', 'POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n'],
    ['a chunk of no size', 'POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['a Host that makes no URL', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
    ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('answers 400 to %s', async (_, bytes) => refused(await rawRequest(await open(), bytes), 400))

  it('answers 431 to headers beyond 16 KiB', async () =>
    refused(await rawRequest(await open(), `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`), 431))

  it('answers 413 to chunk extensions beyond 16 KiB', async () => {
    refused(
      await rawRequest(await open(), `POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(17_000)}\r\na\r\n0\r\n\r\n`),
      413,
    )
  })

  it.each(['TRACE', 'OPTIONS', 'PROPFIND', 'QUERY'])('answers 405 to %s', async (method) =>
    refused(await rawRequest(await open(), `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`), 405),
  )

  it('answers a request first, and then the nonsense behind it', async () => {
    const port = await open()
    const answers = rawAnswers(port, ['GET /held HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n', 20, 'more nonsense\r\n\r\n'])
    await began
    release()
    expect((await answers).map(({ status, body }) => [status, status === 200 ? body : ''])).toEqual([
      [200, 'released'],
      [200, 'hello'],
      [400, ''],
    ])
  })

  it('does not leave an unknown expectation or an upgrade without its answer', async () => {
    const port = await open()
    expect((await rawRequest(port, requestBytes('GET', '/', { headers: { Expect: 'the unexpected' } })))?.status).toBe(200)
    expect((await rawRequest(port, requestBytes('GET', '/', { headers: { Connection: 'Upgrade', Upgrade: 'websocket' } })))?.status).toBe(200)
  })

  it('serves an absolute target', async () => expect((await rawRequest(await open(), 'GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n'))?.status).toBe(200))

  it.each([
    ['headers that trickle in', ['GET / HTTP/1.1\r\n', 50, 'Host: a\r\n', ...Array.from({ length: 100 }, (_, i) => (i % 2 ? 50 : `X${i}: 1\r\n`))]],
    [
      'a body that trickles in',
      [requestBytes('POST', '/body', { headers: { 'Content-Length': '1000' } }), ...Array.from({ length: 100 }, (_, i) => (i % 2 ? 50 : ' '))],
    ],
    [
      'chunks that trickle in',
      [requestBytes('POST', '/body', { headers: { 'Transfer-Encoding': 'chunked' } }), ...Array.from({ length: 100 }, (_, i) => (i % 2 ? 50 : '1\r\n \r\n'))],
    ],
    ['a body that stops', [requestBytes('POST', '/body', { headers: { 'Content-Length': '10' } }), '{']],
  ])('answers 408 to %s', async (what, steps) => {
    const port = await open({ headers_ms: 200, request_ms: 400 })
    const start = performance.now()
    refused(await rawRequest(port, steps), 408)
    expect(performance.now() - start).toBeLessThan(2000)
    // A slow client is no fault of ours, and must not look like one in the log.
    await expect.poll(() => finished).toBe(what.startsWith('headers') ? 0 : 1)
    expect(log).toEqual([])
  })

  it('logs no fault of ours where a client goes away in the middle of its body', async () => {
    const port = await open()
    await rawRequest(port, requestBytes('POST', '/body', { headers: { 'Content-Length': '100' }, body: '{"a"' }), { half: true })
    await expect.poll(() => finished).toBe(1)
    expect(log).toEqual([])
  })

  it('lets a running request end at close, and closes its kept connection', async () => {
    const port = await open()
    const answer = rawRequest(port, 'GET /held HTTP/1.1\r\nHost: a\r\n\r\n')
    await began
    const closed = listening?.close(new AbortController().signal)
    release()
    expect((await answer)?.body).toBe('released')
    await closed
  })

  it('cuts what still runs when the signal aborts', async () => {
    const port = await open()
    const answer = rawRequest(port, 'GET /held HTTP/1.1\r\nHost: a\r\n\r\n')
    await began
    const deadline = new AbortController()
    const closed = listening?.close(deadline.signal)
    deadline.abort()
    await closed
    expect(await answer).toBeUndefined()
  })

  it('closes connections that have sent nothing', async () => {
    const port = await open()
    const idle = connect({ port, host: '127.0.0.1' })
    await once(idle, 'connect')
    const ended = once(idle, 'close')
    idle.resume()
    await listening?.close(new AbortController().signal)
    await ended
  })

  it('names the port that is taken, and the variable', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const failure = await serve({ fetch: () => new Response(), port, host: '127.0.0.1', name: 'worker' }).catch((error: unknown) => error)
    other.close()
    expect(failure).toBeInstanceOf(StartError)
    expect(failure).toMatchObject({ exitCode: 69, message: expect.stringMatching(new RegExp(`port ${port} .*in use.*WORKER_PORT`)) })
  })
})
