import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { DataRequestSchema, MAX_HIT_REQUEST_BYTES } from '#lib/contract/hit-request.ts'

const issues = (value: unknown) => DataRequestSchema.safeParse(value).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []

describe('data.request', () => {
  test('says nothing: a GET that follows ten redirects', () => {
    expect(DataRequestSchema.parse({})).toEqual({ method: 'GET', headers: {}, follow_redirects: 10 })
  })

  test.each([
    [{ method: 'post' }, { method: 'POST' }],
    [
      { headers: { 'X-A': 'b' }, body: 'c' },
      { headers: { 'X-A': 'b' }, body: 'c' },
    ],
    [
      { headers: { Authorization: `Bearer \${secret:API_KEY}` }, body: `{"key":"\${secret:KEY_2}","other":"\${HOME}"}` },
      { headers: { Authorization: `Bearer \${secret:API_KEY}` }, body: `{"key":"\${secret:KEY_2}","other":"\${HOME}"}` },
    ],
    [{ timeout_seconds: 0.5 }, { timeout_seconds: 0.5 }],
    [{ timeout_seconds: 300 }, { timeout_seconds: 300 }],
    [{ follow_redirects: false }, { follow_redirects: 0 }],
    [{ follow_redirects: true }, { follow_redirects: 10 }],
    [{ follow_redirects: 3 }, { follow_redirects: 3 }],
    [{ expect_status: [200, 204] }, { expect_status: [200, 204] }],
  ])('%j', (value, expected) => {
    expect(DataRequestSchema.parse(value)).toMatchObject(expected)
    expect(DataRequestSchema.parse(JSON.stringify(value))).toEqual(DataRequestSchema.parse(value))
  })

  test.each([
    [{ headers: { 'X-A': `Bearer \${secret:api_key}` } }, `headers.X-A: expected references to secrets as \${secret:NAME}`],
    [{ headers: { 'X-A': `\${secret:}` } }, 'headers.X-A: expected references'],
    [{ headers: { 'X-A': `\${secret:A} \${secret:B` } }, 'headers.X-A: expected references'],
    [{ headers: { 'X-A': `\${Secret:A}` } }, 'headers.X-A: expected references'],
    [{ headers: { 'X-A': `\${ secret: A }` } }, 'headers.X-A: expected references'],
    [{ body: `{"key":"\${secret:A-B}"}` }, 'body: expected references'],
    [{ body: `\${secret:${'A'.repeat(65)}}` }, 'body: expected references'],
    [{ method: 'CONNECT' }, 'method: expected one of GET'],
    [{ method: 5 }, 'method: expected one of GET'],
    [{ headers: { 'X A': 'b' } }, 'headers.X A: '],
    [{ headers: { 'X-A': 'b\r\nX-Evil: 1' } }, 'headers.X-A: expected a header value'],
    [{ headers: { 'X-A': 1 } }, 'headers.X-A: expected a string'],
    [{ headers: { Host: 'b' } }, 'headers.Host: '],
    [{ headers: { 'content-LENGTH': '1' } }, 'headers.content-LENGTH: '],
    [{ headers: { 'Transfer-Encoding': 'chunked' } }, 'headers.Transfer-Encoding: '],
    [{ headers: { 'Idempotency-Key': 'x' } }, 'headers.Idempotency-Key: '],
    [{ body: {} }, 'body: expected a string'],
    [{ timeout_seconds: 0 }, 'timeout_seconds: expected more than 0'],
    [{ timeout_seconds: 301 }, 'timeout_seconds: expected at most 300'],
    [{ timeout_seconds: '5' }, 'timeout_seconds: expected a number'],
    [{ follow_redirects: 11 }, 'follow_redirects: expected a whole number'],
    [{ expect_status: [] }, 'expect_status: expected at least one'],
    [{ expect_status: 200 }, 'expect_status: expected a list'],
    [{ expect_status: ['200'] }, 'expect_status.0: expected an HTTP status'],
    [{ methode: 'GET' }, 'methode'],
    ['{', 'expected an object, or a string that holds a JSON object'],
    ['[]', 'expected'],
    ['"x"', 'expected'],
    [null, 'expected an object, or a string that holds a JSON object'],
    [[], 'expected an object, or a string that holds a JSON object'],
    [{ body: 'x'.repeat(MAX_HIT_REQUEST_BYTES) }, `expected at most ${MAX_HIT_REQUEST_BYTES} bytes`],
    [JSON.stringify({ body: 'é'.repeat(MAX_HIT_REQUEST_BYTES / 2) }), `expected at most ${MAX_HIT_REQUEST_BYTES} bytes`],
  ])('%j is refused by name', (value, problem) => {
    expect(issues(value).join('\n')).toContain(problem)
  })

  test('has a JSON schema, for the OpenAPI document', () => {
    expect(z.toJSONSchema(DataRequestSchema, { io: 'input', unrepresentable: 'any' })).toHaveProperty('anyOf')
  })
})
