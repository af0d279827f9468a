import { HTTPException } from 'hono/http-exception'
import { describe, expect, it } from 'vitest'
import { createApp } from '#lib/http/app.ts'
import { requestIdFrom } from '#lib/http/request-id.ts'
import { createLogger } from '#lib/observe/logger.ts'
import { errorOf } from '#test/_support/controller.ts'

const lines: string[] = []
const app = createApp({
  logger: createLogger({ service: 'controller', level: 'info', format: 'json', destination: { write: (line) => void lines.push(line) } }),
  refusesHead: ['/hit'],
})
app.get('/things', (c) => c.text('things'))
app.post('/things', (c) => c.text('made'))
app.get('/things/:id', (c) => c.text('thing'))
app.get('/hit', (c) => c.text('hit'))
app.get('/broken', () => {
  throw new Error('the secret inside')
})
app.get('/teapot', () => {
  throw new HTTPException(418, { message: 'short and stout' })
})
app.get('/upstream', () => {
  throw new HTTPException(502, { message: 'the secret inside' })
})

describe('createApp', () => {
  it.each(['/nowhere', '/things/', '/things/1/2', '/', '/THINGS', '/things%2F1/x'])('answers 404 to %s', async (path) => {
    await errorOf(await app.request(path), 404, 'NOT_FOUND')
  })

  it.each([
    ['DELETE', '/things', 'GET, HEAD, POST'],
    ['OPTIONS', '/things', 'GET, HEAD, POST'],
    ['POST', '/things/1', 'GET, HEAD'],
    ['FOO', '/things', 'GET, HEAD, POST'],
  ])('answers 405 to %s %s and allows %s', async (method, path, allow) => {
    const answer = await app.request(path, { method })
    expect(answer.headers.get('Allow')).toBe(allow)
    await errorOf(answer, 405, 'METHOD_NOT_ALLOWED')
  })

  it('answers 405 to HEAD where GET has an effect', async () => {
    const answer = await app.request('/hit', { method: 'HEAD' })
    expect([answer.status, answer.headers.get('Allow')]).toEqual([405, 'GET'])
  })

  it('serves HEAD where GET has no effect', async () => expect((await app.request('/things', { method: 'HEAD' })).status).toBe(200))

  it.each(['/broken', '/upstream'])('answers 500 to what %s throws, says nothing of the inside, and logs it under the same id', async (path) => {
    lines.length = 0
    const error = await errorOf(await app.request(path), 500, 'INTERNAL')
    expect(JSON.stringify(error)).not.toContain('secret')
    expect(lines.join()).toContain('the secret inside')
    expect(lines.join()).toContain(error.request_id)
  })

  it('writes an exception of Hono as the envelope', async () => {
    await errorOf(await app.request('/teapot'), 400, 'INVALID_REQUEST')
  })

  it.each(['a', 'A.b_c-9', 'x'.repeat(128)])('keeps the request id %s', async (id) => {
    const answer = await app.request('/nowhere', { headers: { 'X-Request-Id': id } })
    expect((await errorOf(answer, 404, 'NOT_FOUND')).request_id).toBe(id)
  })

  it.each(['', 'x'.repeat(129), 'a b', 'a"b', '<script>', 'ü', null])('replaces the request id %s by a UUID', (id) => {
    expect(requestIdFrom(id)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/)
  })
})
