import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkError, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { type RawAnswer, rawRequest, requestBytes } from '#test/_support/raw-http.ts'

let controller: TestController
let port: number
beforeAll(async () => {
  controller = await TestController.open({ env: { MAX_CONFIG_BYTES: '4096' } })
  ;({ port } = await controller.listen({ headers_ms: 2000, request_ms: 3000 }))
  await controller.publish({ url: 'http://a/' })
})
afterAll(() => controller[Symbol.asyncDispose]())

const SuccessSchema = z.object({ request_id: z.string(), status: z.number(), success: z.literal(true), message: z.literal('success'), data: z.unknown() })
const latest = () => controller.deps.feed.current?.version ?? 0

/** What holds for every answer, whatever was sent: this store is well, so there is no 5xx at all. */
function checkAnswer(answer: RawAnswer | undefined, before: number, head: boolean): void {
  if (!answer) throw new Error('the connection was closed without an answer')
  expect(answer.status, answer.body).toBeLessThan(500)
  const isNew = answer.status === 201 && answer.headers.has('ETag') && !answer.headers.has('Idempotency-Replayed')
  expect(latest()).toBe(isNew ? before + 1 : before)
  if (head || answer.status === 304) expect(answer.body).toBe('')
  else if (answer.status >= 400) checkError(answer)
  else if (answer.headers.get('Content-Type')?.startsWith('application/json') && !answer.body.startsWith('{"openapi"')) {
    expect(SuccessSchema.parse(JSON.parse(answer.body)).status).toBe(answer.status)
  }
}

const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/)
const headerValue = fc.stringMatching(/^[\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff]{0,30}[\x21-\x7e\x80-\xff])?$/)
const method = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('GET', 'POST', 'HEAD') },
  { weight: 2, arbitrary: fc.constantFrom('PUT', 'PUT', 'DELETE', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'LINK', 'MKCOL', 'PURGE') },
)
const path = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('/config', '/register', '/config/1', '/health', '/ready', '/openapi.json', '/docs', '/docs/errors') },
  { weight: 3, arbitrary: fc.constantFrom('/agents', '/status', '/agents/reports', '/agents/x', '/agents/x/report', '/agents/%ff', '/agents/%00/report') },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('cursor', 'limit', 'state', 'online', 'version', 'label'), fc.stringMatching(/^[!-~]{0,12}$/))
      .map(([name, value]) => `/agents?${name}=${value.replace(/#/g, '')}`),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '/config?dry_run=true',
      '/config/rollback',
      '/config/rollback?dry_run=true',
      '/config/schema',
      '/configs',
      '/configs/diff',
      '/audit',
      '/backup',
      '/keys',
      '/keys/x',
      '/keys/%ff',
      '/metrics',
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom('/configs', '/configs/diff', '/audit', '/config/schema'),
        fc.constantFrom('before', 'limit', 'data', 'from', 'to', 'force', 'comment'),
        fc.oneof(fc.stringMatching(/^[!-~]{0,12}$/), fc.nat().map(String), fc.constantFrom('true', '-1', '1e3', '99999999999999999999')),
      )
      .map(([target, name, value]) => `${target}?from=1&${name}=${value.replace(/#/g, '')}`),
  },
  { weight: 2, arbitrary: fc.stringMatching(/^[\x21-\x7e]{0,20}$/).map((tail) => `/config/${tail.replace(/[?#].*/, '')}`) },
  // A wait that is valid would hold the run up: these are not, or hold nothing.
  { weight: 2, arbitrary: fc.stringMatching(/^[!-~]{0,10}$/).map((value) => `/config?wait=x${value}`) },
  { weight: 2, arbitrary: fc.stringMatching(/^[!-~]{0,30}$/).map((tail) => `/${tail.replace(/wait=\d/g, '')}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '*',
      '//',
      '/%',
      '/%ff',
      '/config/%',
      '/config/%00',
      '/..%2f..%2fetc/passwd',
      '/docs/../config',
      'http://a/config',
      'http://[/',
      '/config?wait=0&wait=0',
      '/\\',
      '/config#x',
    ),
  },
)
const headers = fc
  .tuple(
    fc.option(fc.constantFrom(TEST_KEY, TEST_KEY, TEST_KEY, 'wrong', ''), { freq: 8 }),
    fc.dictionary(
      fc.oneof(
        fc.constantFrom(
          'If-None-Match',
          'If-Match',
          'Idempotency-Key',
          'traceparent',
          'X-Config-Id',
          'X-Request-Id',
          'Content-Type',
          'Content-Encoding',
          'Authorization',
          'Origin',
          'Accept',
          'Range',
          'Expect',
          'Upgrade',
          'Cookie',
          'X-HTTP-Method-Override',
          'Forwarded',
        ),
        token.filter((name) => !/^(host|connection|content-length|transfer-encoding|keep-alive|te|trailer|__proto__)$/i.test(name)),
      ),
      fc.oneof(headerValue, fc.constantFrom('"1"', '*', 'application/json', 'gzip', '100-continue', 'null', 'Bearer x')),
      { maxKeys: 4, noNullPrototype: true },
    ),
  )
  .map(([key, rest]): Record<string, string> => ({ ...(key === null ? {} : { 'X-API-Key': key }), ...rest }))
const data = fc.dictionary(
  fc.oneof(fc.constantFrom('url', '__proto__', 'constructor', 'a'), fc.string()),
  fc.oneof(fc.jsonValue(), fc.constantFrom('http://a/', 'ftp://a/')),
  { maxKeys: 4, noNullPrototype: false },
)
const body = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ data, poll_interval_seconds: fc.oneof(fc.integer(), fc.double(), fc.constant(null)), comment: fc.string() }, { requiredKeys: [] })
      .map((value) => JSON.stringify(value)),
  },
  {
    weight: 2,
    arbitrary: fc
      .record(
        {
          hostname: fc.string(),
          ip_address: fc.string(),
          port: fc.integer({ min: -1, max: 70_000 }),
          labels: fc.jsonValue(),
          instance_id: fc.oneof(fc.uuid(), fc.string()),
        },
        { requiredKeys: ['hostname', 'port', 'ip_address'] },
      )
      .map((value) => JSON.stringify(value)),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ version: fc.oneof(fc.integer(), fc.constant(1)), state: fc.constantFrom('applying', 'applied', 'failed', 'x'), error: fc.string() })
      .map((value) => JSON.stringify(value)),
  },
  {
    weight: 2,
    arbitrary: fc
      .record(
        {
          sessions: fc.dictionary(fc.string({ maxLength: 70 }), fc.string({ maxLength: 70 }), { noNullPrototype: true }),
          agents: fc.array(
            fc.record(
              {
                agent_id: fc.oneof(fc.string({ maxLength: 70 }), fc.constantFrom('a', 'b', '__proto__')),
                held_version: fc.oneof(fc.nat(), fc.constant(null)),
                via: fc.constantFrom('stream', 'poll', null, 'x'),
                age_ms: fc.oneof(fc.nat(), fc.maxSafeNat(), fc.integer()),
                connected: fc.boolean(),
                relay_id: fc.constantFrom('a', 'b', 'c'),
                registration: fc.constant({ hostname: 'h', ip_address: 'i', port: 1, labels: { k: 'v' } }),
                report: fc.constant({ version: 1, state: 'applied' }),
              },
              { requiredKeys: ['agent_id', 'held_version', 'via', 'age_ms'] },
            ),
            { maxLength: 4 },
          ),
        },
        { requiredKeys: ['agents'] },
      )
      .map((value) => JSON.stringify(value)),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ version: fc.oneof(fc.integer(), fc.constantFrom(1, 2)), comment: fc.string(), author: fc.string() }, { requiredKeys: ['version'] })
      .map((value) => JSON.stringify(value)),
  },
  // Schemas: some that are none, and some that only some configs meet.
  {
    weight: 2,
    arbitrary: fc
      .record(
        {
          type: fc.constantFrom('object', 'objekt'),
          required: fc.constantFrom(['url'], 'url'),
          properties: fc.dictionary(fc.string(), fc.oneof(fc.jsonValue(), fc.constantFrom({ type: 'string' }, false, { $ref: '#' })), {
            noNullPrototype: true,
          }),
          $ref: fc.constantFrom('#', '#/x', 'http://127.0.0.1:1/'),
          pattern: fc.string(),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
  },
  { weight: 2, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3000 }).map((depth) => `{"data":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{"data":{"__proto__":{"url":"x"}}}',
      '{"__proto__":{"data":{}}}',
      '{"data":{"n":9007199254740993}}',
      '{"data":{"n":1e999}}',
      `{"data":{"x":"${'x'.repeat(5000)}"}}`,
      '\ufeff{"data":{}}',
      '{"data":{}}\0',
    ),
  },
)

const anyRequest = fc.tuple(method, path, headers, fc.option(fc.oneof(body, body, fc.uint8Array({ maxLength: 64 }))))
/** What comes as far as the schemas and the store: some of it is taken. */
const nearlyRight = fc.tuple(
  fc.constant('POST'),
  fc.constantFrom('/config', '/config', '/config?dry_run=true', '/config/rollback', '/register', '/agents/reports', '/agents/a/report'),
  fc.constantFrom<Record<string, string>>(
    { 'X-API-Key': TEST_KEY, 'Content-Type': 'application/json' },
    { 'X-API-Key': TEST_KEY, 'Content-Type': 'application/json', 'Idempotency-Key': 'a' },
  ),
  body,
)
const nearlySchemas = fc.tuple(
  fc.constantFrom('PUT', 'PUT', 'DELETE'),
  fc.constantFrom('/config/schema', '/config/schema?force=true'),
  fc.constant({ 'X-API-Key': TEST_KEY, 'Content-Type': 'application/json' }),
  body,
)

describe('the routes over a socket', () => {
  it('answer whatever well-formed HTTP with the contract, and change nothing unless they say 201', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(anyRequest, nearlyRight, { weight: 1, arbitrary: nearlySchemas }),
        fc.boolean(),
        async ([verb, target, fields, sent], chunked) => {
          const bytes = sent === null ? undefined : Buffer.from(sent)
          const before = latest()
          const request =
            bytes && chunked
              ? requestBytes(verb, target, {
                  headers: { ...fields, 'Transfer-Encoding': 'chunked' },
                  body: Buffer.concat([
                    Buffer.from(bytes.length ? `${bytes.length.toString(16)}\r\n` : ''),
                    bytes,
                    Buffer.from(bytes.length ? '\r\n0\r\n\r\n' : '0\r\n\r\n'),
                  ]),
                })
              : requestBytes(verb, target, { headers: fields, ...(bytes ? { body: bytes } : {}) })
          checkAnswer(await rawRequest(port, request, { head: verb === 'HEAD' }), before, verb === 'HEAD')
        },
      ),
      // The example makes sure that a run without a single publish is no chance.
      { numRuns: 600, examples: [[['POST', '/config', { 'X-API-Key': TEST_KEY, 'Content-Type': 'application/json' }, '{"data":{}}'], false]] },
    )
    expect(latest()).toBeGreaterThan(1)
  })

  it('answer whatever bytes with the envelope, or close', async () => {
    // What is left of the schemas above: a check takes a while, and to who has ended his side Node.js closes meanwhile.
    await controller.request('/config/schema', { method: 'DELETE' })
    const valid = requestBytes('POST', '/config', { headers: { 'X-API-Key': TEST_KEY, 'Content-Type': 'application/json' }, body: '{"data":{}}' })
    const mutated = fc
      .tuple(fc.nat(valid.length - 1), fc.nat(3), fc.uint8Array({ maxLength: 4 }))
      .map(([at, cut, put]) => Buffer.concat([valid.subarray(0, at), put, valid.subarray(at + cut)]))
    const truncated = fc.nat(valid.length - 1).map((end) => valid.subarray(0, end))
    const garbage = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes))
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 4, arbitrary: mutated }, { weight: 2, arbitrary: truncated }, { weight: 1, arbitrary: garbage }), async (bytes) => {
        const before = latest()
        const answer = await rawRequest(port, bytes, { half: true })
        if (answer) checkAnswer(answer, before, /^HEAD /.test(bytes.toString('latin1')))
        else expect(latest()).toBe(before)
      }),
      { numRuns: 500 },
    )
  })

  it('leave the server alive and no watcher behind', async () => {
    const answer = await rawRequest(port, requestBytes('GET', '/ready'))
    expect(answer?.status).toBe(200)
    await expect.poll(() => controller.deps.feed.hub.watchers).toBe(0)
  })
})
