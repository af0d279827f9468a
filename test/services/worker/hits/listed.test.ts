import { describe, expect, test } from 'vitest'
import { ListedHitSchema } from '#lib/contract/hits.ts'
import { listedHit } from '#services/worker/hits/listed.ts'
import { maskedHeader } from '#services/worker/hits/masked.ts'
import { jobFor } from './attempt.ts'

const enqueued_at = Date.UTC(2026, 10, 24, 9)

describe('a listed hit', () => {
  test('says what it was to do, without query, credentials and body', () => {
    const job = {
      ...jobFor('https://user:hush@example.com/ping?token=hush#hush', {
        method: 'POST',
        headers: { Authorization: 'Bearer hush', Accept: 'text/plain' },
        body: 'hush é',
      }),
      enqueued_at,
    }
    const listed = listedHit({ job, result: { task_id: job.task_id, status: 'queued', attempts: 0 } })
    expect(listed).toEqual({
      task_id: job.task_id,
      status: 'queued',
      url: 'https://example.com/ping',
      method: 'POST',
      headers: { Authorization: '***', Accept: 'text/plain' },
      body_bytes: 7,
      config_version: 1,
      attempts: 0,
      enqueued_at: '2026-11-24T09:00:00.000Z',
    })
    expect(ListedHitSchema.safeParse(listed).success).toBe(true)
  })

  test('says what became of it, without the answer', () => {
    const job = { ...jobFor('http://example.com/'), enqueued_at }
    const history = [
      { attempt: 1, started_at: '2026-11-24T09:00:00.000Z', total_ms: 2, status_code: 500, error_class: 'unexpected_status' as const, error: 'no' },
    ]
    const finished_at = '2026-11-24T09:00:01.000Z'
    const known = { attempts: 1, status_code: 500, error_class: 'unexpected_status' as const, error: 'no', history, finished_at }
    const listed = listedHit({ job, result: { task_id: job.task_id, status: 'failed', body: 'hush', size_bytes: 4, timings: { total: 2 }, ...known } })
    expect(listed).toMatchObject({ method: 'GET', ...known })
    expect(listed).not.toHaveProperty('headers')
    expect(JSON.stringify(listed)).not.toContain('hush')
    expect(ListedHitSchema.safeParse(listed).success).toBe(true)
  })

  test('may be older than the rules of today', () => {
    const job = { ...jobFor('nonsense', { method: 7, headers: { 'X-A': 1, 'X-B': 'b' }, body: {} }), enqueued_at }
    expect(listedHit({ job, result: { task_id: job.task_id, status: 'queued' } })).toMatchObject({
      url: 'a URL that cannot be read',
      method: 'GET',
      headers: { 'X-B': 'b' },
      attempts: 0,
    })
  })
})

describe('header values', () => {
  test.each([
    ['Authorization', 'x'],
    ['Proxy-Auth', 'x'],
    ['Cookie', 'a=b'],
    ['X-Api-Key', 'abc'],
    ['apikey', 'abc'],
    ['X-Auth-User', 'me'],
    ['Private-Token', 'abc'],
    ['X-Client-Secret', 'abc'],
    ['X-Password', 'abc'],
    ['X-Hub-Signature-256', 'abc'],
    ['X-Custom', 'Bearer abc'],
    ['X-Custom', 'basic dXNlcjpwYXNz'],
    ['X-Custom', 'ghp_16C7e42F292c6912E7710c838347Ae178B4a'],
    ['X-Custom', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N'],
    ['X-Custom', '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10'],
    ['X-Custom', '5f4dcc3b5aa765d61d8327deb882cf99'],
    ['X-Custom', 'AbcDefGhiJklMnoPqrStuVwxYzabcdef'],
    ['X-Custom', '12345678901234567890'],
    ['Referer', 'https://user:pass@example.com/'],
    ['Referer', 'https://example.com/?access_token=abc'],
    ['Authorization', `\${secret:KEY} abc`],
    ['X-Custom', `abc \${secret:KEY} 5f4dcc3b5aa765d61d8327deb882cf99`],
  ])('%s: %s is masked', (name, value) => {
    expect(maskedHeader(name, value)).toBe('***')
  })

  test.each([
    ['Accept', 'application/vnd.company.resource-v2+json;q=0.9, */*'],
    ['Content-Type', 'application/problem+json; charset=utf-8'],
    ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'],
    ['X-Environment', 'production'],
    ['X-Date', '2026-11-24T09:00:00.000Z'],
    ['X-Empty', ''],
    ['Authorization', `\${secret:KEY}`],
    ['Authorization', `Bearer \${secret:KEY}`],
    ['X-Api-Key', ` \${secret:KEY} `],
  ])('%s: %s is shown', (name, value) => {
    expect(maskedHeader(name, value)).toBe(value)
  })
})
