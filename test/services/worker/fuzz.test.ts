import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkError } from '#test/_support/controller.ts'
import { rawRequest, requestBytes } from '#test/_support/raw-http.ts'
import { TestWorker } from '#test/_support/worker.ts'

let worker: TestWorker
let port: number
let taskId: string
beforeAll(async () => {
  worker = await TestWorker.open({ env: { MAX_CONFIG_BYTES: '4096' }, process: false })
  ;({ port } = await worker.listen({ headers_ms: 2000, request_ms: 3000 }))
  await worker.configure('http://localhost:1/')
  ;({ task_id: taskId } = await worker.deps.queue.enqueue({ task_id: worker.deps.clock.uuid(), url: 'http://a/', config_version: 1, enqueued_at: 0 }))
})
afterAll(() => worker[Symbol.asyncDispose]())

const SuccessSchema = z.object({ request_id: z.string(), status: z.number(), success: z.literal(true), message: z.literal('success'), data: z.unknown() })
const QueuedSchema = z.union([
  z.object({ task_ids: z.array(z.string()) }).transform(({ task_ids }) => task_ids),
  z.object({ task_id: z.string() }).transform(({ task_id }) => [task_id]),
])

const method = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('GET', 'POST') },
  { weight: 2, arbitrary: fc.constantFrom('HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH') },
)
const word = fc.stringMatching(/^[!-~]{0,20}$/).map((text) => text.replace(/[?#]/g, ''))
const path = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('/hit', '/hits', '/hits/stats', '/hits/retry', '/hits/pause', '/hits/resume', '/config', '/health', '/ready') },
  { weight: 2, arbitrary: word.map((id) => `/hit/${id}`) },
  { weight: 2, arbitrary: fc.oneof(word, fc.constant('TASK')).map((id) => `/hit/${id}/retry`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '/hit/TASK',
      '/hit/%ff',
      '/hit/%00/retry',
      '/hits/',
      '/hits?',
      '/hit?',
      '/hits/stats/x',
      '/hit?wait=0&wait=x',
      '//hit',
      '/\\hit',
      '*',
      'http://a/hit',
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom('state', 'cursor', 'limit'), fc.oneof(word, fc.constantFrom('failed', '0', '5')))
      .map(([name, value]) => `/hits?${name}=${value}`),
  },
  // Cursors that are nearly right: a state, and a place that no engine gave.
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('queued', 'pending', 'failed', 'completed', 'x'), fc.string({ maxLength: 60 }))
      .map(([state, behind]) => `/hits?cursor=${Buffer.from(`${state}:${behind}`).toString('base64url')}`),
  },
)
const headers = fc.dictionary(
  fc.constantFrom('Idempotency-Key', 'X-Request-Id', 'Content-Type', 'Content-Encoding', 'Origin', 'Expect', 'X-API-Key', 'Accept'),
  fc.oneof(fc.stringMatching(/^[!-~]{1,20}$/), fc.constantFrom('application/json', 'gzip', '100-continue', 'null', 'http://localhost')),
  { maxKeys: 3, noNullPrototype: true },
)
const body = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ count: fc.oneof(fc.integer({ min: -3, max: 20 }), fc.double(), fc.constant('1')) }).map((value) => JSON.stringify(value)),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        version: fc.oneof(fc.integer(), fc.constant(1)),
        data: fc.record(
          {
            url: fc.constantFrom('http://a/', 'ftp://a', ''),
            schedule: fc.oneof(fc.jsonValue(), fc.constantFrom({ every_seconds: 60 }, { cron: '* * * * *' }, { cron: '0 0 30 2 *' }, '{"every_seconds":1}')),
            request: fc.jsonValue(),
          },
          { requiredKeys: ['url'] },
        ),
      })
      .map((value) => JSON.stringify(value)),
  },
  { weight: 2, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
)

describe('the routes of the worker over a socket', () => {
  it('answer whatever well-formed HTTP with the contract, and queue what they say 202 to and nothing else', { timeout: 60_000 }, async () => {
    const statuses = new Set<number>()
    await fc.assert(
      fc.asyncProperty(method, path, headers, fc.option(body), async (verb, target, fields, sent) => {
        const head = verb === 'HEAD'
        const held = worker.deps.holder.current
        const before = await worker.deps.queue.counts()
        const bytes = requestBytes(verb, target.replace('TASK', taskId), {
          headers: { Host: 'localhost', ...fields },
          ...(sent === null ? {} : { body: Buffer.from(sent) }),
        })
        const answer = await rawRequest(port, bytes, { head })
        if (!answer) throw new Error('the connection was closed without an answer')
        statuses.add(answer.status)
        // There is a config and the queue is well: the one 5xx that is left is a config without a url.
        if (answer.status >= 500) expect(checkError(answer).error.code).toBe('ENQUEUE_FAILED')
        const after = await worker.deps.queue.counts()
        if (head) expect(answer.body).toBe('')
        else if (answer.status >= 400) checkError(answer)
        else {
          const { status, data } = SuccessSchema.parse(JSON.parse(answer.body))
          expect(status).toBe(answer.status)
          const queued = answer.status === 202 ? QueuedSchema.parse(data) : []
          // A key that was seen before gives the hit of before.
          if (!('Idempotency-Key' in fields)) expect(after.queued).toBe(before.queued + queued.length)
          for (const id of queued.slice(0, 3)) expect(await worker.deps.queue.find(id)).toMatchObject({ status: 'queued' })
        }
        if (answer.status !== 202) expect(after.queued).toBe(before.queued)
        if (answer.status >= 400) expect(worker.deps.holder.current).toBe(held)
      }),
      {
        numRuns: 500,
        examples: [
          ['POST', '/hits', {}, '{"count":3}'],
          ['POST', '/hit/TASK/retry', {}, null],
          ['GET', '/hit', {}, null],
        ],
      },
    )
    expect([...statuses]).toEqual(expect.arrayContaining([200, 202, 400, 404, 405, 409]))
  })

  it('leave the worker alive and ready', async () => {
    expect((await rawRequest(port, requestBytes('GET', '/ready')))?.status).toBe(200)
  })
})
