import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { HitAcceptedSchema } from '#lib/contract/hit.ts'
import { serve } from '#lib/http/serve.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { BacklogFullError, QueueUnavailableError } from '#lib/queue/port.ts'
import { checkError, dataOf } from '#test/_support/controller.ts'
import { rawAnswers, rawRequest, requestBytes } from '#test/_support/raw-http.ts'
import { TestWorker } from '#test/_support/worker.ts'

/** Headers that decide something about a hit, right, wrong and malformed. */
const headers = fc.record(
  {
    'X-API-Key': fc.constantFrom('the-key', 'the-key', 'wrong', ''),
    Authorization: fc.constantFrom('Bearer the-key', 'Bearer wrong', 'Basic x'),
    'Idempotency-Key': fc.constantFrom('order-1', 'a b', ''),
    'X-Request-Id': fc.constantFrom('mine', 'not an id'),
    Host: fc.constantFrom('localhost', '127.0.0.1:1', 'evil.example', 'localhost:6002', 'a b', 'x:99999', '[::1]:6002', 'LOCALHOST'),
    Origin: fc.constantFrom('null', 'https://evil.example', 'http://localhost:6002', 'http://localhost'),
    'Sec-Fetch-Site': fc.constantFrom('cross-site', 'same-origin', 'none'),
  },
  { requiredKeys: [], noNullPrototype: true },
)
const target = fc.constantFrom('/hit', '/hit', '/hit?', '/hit?wait=0', '/hit?wait=x', '/hit/', '/hit?x=1')
const method = fc.constantFrom('GET', 'POST', 'GET', 'POST', 'PUT', 'HEAD')

/** The same answer but for what differs between any two: ids, the date, the connection. */
const comparable = (status: number, fields: Headers, body: string) => ({
  status,
  cache: fields.get('Cache-Control'),
  type: fields.get('Content-Type'),
  authenticate: fields.get('WWW-Authenticate'),
  retry: fields.get('Retry-After'),
  allow: fields.get('Allow'),
  id: fields.get('X-Request-Id') === 'mine',
  body: body.replace(fields.get('X-Request-Id') ?? '', 'ID').replace(/"task_id":"[0-9a-f-]{36}"/, '"task_id":"TASK"'),
})

describe('the fast lane', () => {
  it.each([
    ['no key', {}],
    ['a key of its own', { WORKER_API_KEY: 'the-key' }],
  ])('answers as the routes do, with %s', async (_, env) => {
    await using worker = await TestWorker.open({ env, process: false })
    await worker.request('/config', { body: { version: 1, data: { url: 'http://localhost:1/' } }, headers: { 'X-API-Key': 'the-key' } })
    const { port } = await worker.listen()
    // The same app without the lane, over a socket too: what node-server refuses never reaches the app.
    const road = await serve({ fetch: worker.app.fetch, port: 0, host: '127.0.0.1', name: 'worker' })
    const statuses = new Set<number>()
    await fc.assert(
      fc.asyncProperty(method, target, headers, async (verb, path, fields) => {
        const bytes = requestBytes(verb, path, { headers: { Host: 'localhost', ...fields } })
        const head = verb === 'HEAD'
        const [one, other] = await Promise.all([rawRequest(port, bytes, { head }), rawRequest(road.port, bytes, { head })])
        if (!one || !other) throw new Error('closed without an answer')
        expect(comparable(one.status, one.headers, one.body)).toEqual(comparable(other.status, other.headers, other.body))
        statuses.add(one.status)
      }),
      {
        numRuns: 300,
        examples: [
          ['GET', '/hit', { 'X-API-Key': 'the-key' }],
          ['HEAD', '/hit', { 'X-API-Key': 'the-key' }],
          ['GET', '/hit', { 'X-API-Key': 'the-key', Host: 'a b' }],
          ['POST', '/hit', { 'X-API-Key': 'the-key', Host: 'x:99999' }],
        ],
      },
    )
    expect([...statuses]).toEqual(expect.arrayContaining([202, 400, 403, 405]))
    await road.close(AbortSignal.abort())
  })

  it('queues one hit for each 202, and none for anything else', async () => {
    await using worker = await TestWorker.open({ process: false })
    const { url } = await worker.listen()
    expect((await fetch(`${url}/hit`)).status).toBe(500)
    await worker.configure('http://localhost:1/')
    for (const method of ['GET', 'POST', 'HEAD', 'PUT']) await (await fetch(`${url}/hit`, { method })).text()
    await (await fetch(`${url}/hit`, { headers: { Origin: 'https://evil.example' } })).text()
    expect(await worker.deps.queue.counts()).toMatchObject({ queued: 2 })
  })

  it.each([
    ['a length of its body', 'Content-Length: 2\r\n\r\n{}'],
    ['a chunked body', 'Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'],
    ['an empty body', 'Content-Length: 0\r\n\r\n'],
    ['an expectation', 'Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}'],
  ])('takes a POST with %s, and the next request on the same connection', async (_, rest) => {
    await using worker = await TestWorker.open({ process: false })
    await worker.configure('http://localhost:1/')
    const { port } = await worker.listen()
    const answers = await rawAnswers(port, [
      `POST /hit HTTP/1.1\r\nHost: localhost\r\n${rest}`,
      'GET /hit HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    ])
    expect(answers.map(({ status }) => status).filter((status) => status >= 200)).toEqual([202, 202])
    expect(await worker.deps.queue.counts()).toMatchObject({ queued: 2 })
  })

  it('answers pipelined requests in their order', async () => {
    await using worker = await TestWorker.open({ process: false })
    await worker.configure('http://localhost:1/')
    const { port } = await worker.listen()
    const ask = (id: string, path: string, last = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: ${id}\r\n${last}\r\n`
    const answers = await rawAnswers(port, [ask('a', '/hit') + ask('b', '/config') + ask('c', '/hit') + ask('d', '/ready', 'Connection: close\r\n')])
    expect(answers.map(({ headers }) => headers.get('X-Request-Id'))).toEqual(['a', 'b', 'c', 'd'])
  })

  it.each([
    ['away', () => new QueueUnavailableError('it is away', 'refused'), 503, 'QUEUE_UNAVAILABLE', '1'],
    ['full', () => new BacklogFullError(7, 7), 429, 'BACKLOG_FULL', '5'],
    ['broken', () => new TypeError('the secret inside'), 500, 'INTERNAL', null],
  ] as const)('says what is wrong where the queue is %s', async (_, problem, status, code, retryAfter) => {
    const error = vi.fn()
    await using worker = await TestWorker.open({ process: false, overrides: { logger: { ...silentLogger, error } } })
    await worker.configure('http://localhost:1/')
    const { port } = await worker.listen()
    worker.deps.queue.enqueue = async () => {
      throw problem()
    }
    const answer = await rawRequest(port, requestBytes('POST', '/hit', { headers: { 'X-Request-Id': 'mine' } }))
    if (!answer) throw new Error('closed without an answer')
    expect([answer.status, answer.headers.get('Retry-After')]).toEqual([status, retryAfter])
    expect(checkError(answer, code).request_id).toBe('mine')
    expect(answer.body).not.toContain('secret')
    expect(error.mock.calls.map(([, , fields]) => z.object({ request_id: z.string(), path: z.string() }).parse(fields))).toEqual(
      code === 'INTERNAL' ? [{ request_id: 'mine', path: '/hit' }] : [],
    )
  })

  it('gives the envelope of every success', async () => {
    await using worker = await TestWorker.open({ process: false })
    await worker.configure('http://localhost:1/')
    const { url } = await worker.listen()
    const accepted = await dataOf(await fetch(`${url}/hit`), 202, HitAcceptedSchema)
    expect(await worker.deps.queue.find(accepted.task_id)).toMatchObject({ status: 'queued', config_version: 1 })
  })
})
