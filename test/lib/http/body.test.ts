import { createRoute, z } from '@hono/zod-openapi'
import { afterEach, describe, expect, it } from 'vitest'
import { createApp, createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { type Listening, serve } from '#lib/http/serve.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { checkError, errorOf } from '#test/_support/controller.ts'
import { rawRequest, requestBytes } from '#test/_support/raw-http.ts'

const LIMIT = 1000
const route = createRoute({
  method: 'post',
  path: '/echo',
  middleware: [strictJsonBody({ maxBytes: LIMIT })],
  request: { body: { required: true, content: { 'application/json': { schema: z.record(z.string(), z.unknown()) } } } },
  responses: { 200: { description: 'What was sent.', content: { 'application/json': { schema: z.record(z.string(), z.unknown()) } } } },
})
const app = createApp({ logger: silentLogger }).route(
  '/',
  createRouter().openapi(route, (c) => c.json(c.req.valid('json'), 200)),
)

const post = (body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) =>
  app.request('/echo', { method: 'POST', body: typeof body === 'string' ? body : new Uint8Array(body), headers })

describe('strictJsonBody', () => {
  it.each([
    '',
    'application/json',
    'APPLICATION/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/merge-patch+json',
    'application/json;',
    'application/json ; ',
  ])('takes Content-Type %s', async (type) => {
    const answer = await post(new TextEncoder().encode('{"a":1}'), type === '' ? {} : { 'Content-Type': type })
    expect(await answer.json()).toEqual({ a: 1 })
  })

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'text/json',
    'application/json; charset=utf-16',
    'application/json, text/plain',
  ])('answers 415 to Content-Type %s', async (type) => {
    await errorOf(await post('{"a":1}', { 'Content-Type': type }), 415, 'UNSUPPORTED_MEDIA_TYPE')
  })

  it.each(['gzip', 'br', 'deflate', 'gzip, identity'])('answers 415 to Content-Encoding %s', async (encoding) => {
    await errorOf(await post('{}', { 'Content-Type': 'application/json', 'Content-Encoding': encoding }), 415, 'UNSUPPORTED_MEDIA_TYPE')
  })

  it('answers 400 to bytes that are not UTF-8', async () => {
    const error = await errorOf(
      await post(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), { 'Content-Type': 'application/json' }),
      400,
      'INVALID_REQUEST',
    )
    expect(error.error.details).toEqual([{ path: 'body', message: expect.stringContaining('UTF-8') }])
  })

  it('needs linear time for a Content-Type of 16 KiB', async () => {
    const start = performance.now()
    for (const piece of [' ', ';', '; ', 'a+', ' ;', '; charset=utf-8'])
      await post('{}', { 'Content-Type': `application/json;${piece.repeat(16_000 / piece.length)}x` })
    expect(performance.now() - start).toBeLessThan(500)
  })
})

describe('strictJsonBody over a socket', () => {
  let listening: Listening | undefined
  afterEach(async () => listening?.close(AbortSignal.abort()))
  const open = async () => {
    listening = await serve({ fetch: app.fetch, port: 0, host: '127.0.0.1', name: 'worker' })
    return listening.port
  }
  const exactly = (bytes: number) => JSON.stringify({ a: 'x'.repeat(bytes - 8) })
  const chunked = (body: string) =>
    requestBytes('POST', '/echo', { headers: { 'Transfer-Encoding': 'chunked' }, body: `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` })

  it('takes a body of exactly the limit, with a length and chunked', async () => {
    const port = await open()
    expect((await rawRequest(port, requestBytes('POST', '/echo', { body: exactly(LIMIT) })))?.status).toBe(200)
    expect((await rawRequest(port, chunked(exactly(LIMIT))))?.status).toBe(200)
  })

  it('answers 413 to one byte more, with a length and chunked', async () => {
    const port = await open()
    for (const bytes of [requestBytes('POST', '/echo', { body: exactly(LIMIT + 1) }), chunked(exactly(LIMIT + 1))]) {
      const answer = await rawRequest(port, bytes)
      expect(answer?.status).toBe(413)
      if (answer) checkError(answer, 'PAYLOAD_TOO_LARGE')
    }
  })

  it('answers 413 to a declared length before a byte of it came', async () => {
    const answer = await rawRequest(await open(), requestBytes('POST', '/echo', { headers: { 'Content-Length': '999999999999' }, body: '{' }))
    expect(answer?.status).toBe(413)
  })

  it('answers 413 to a chunked body without end', async () => {
    const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`
    const answer = await rawRequest(await open(), [
      requestBytes('POST', '/echo', { headers: { 'Transfer-Encoding': 'chunked' } }),
      ...Array.from({ length: 50 }, () => chunk),
    ])
    expect(answer?.status).toBe(413)
  })

  it('takes a body that comes in many pieces, and one behind Expect: 100-continue', async () => {
    const port = await open()
    const [head, body] = [requestBytes('POST', '/echo', { headers: { 'Content-Length': '9' } }), '{"a":"b"}']
    expect((await rawRequest(port, [head, ...[...body].flatMap((byte) => [2, byte])]))?.body).toBe(body)
    expect((await rawRequest(port, requestBytes('POST', '/echo', { headers: { Expect: '100-continue' }, body })))?.body).toBe(body)
  })
})
