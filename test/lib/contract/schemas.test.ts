import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { RegisterRequestSchema } from '#lib/contract/agent.ts'
import { PublishRequestSchema, urlProblem, WaitQuerySchema } from '#lib/contract/config.ts'
import { ErrorEnvelopeSchema, errorBody } from '#lib/contract/envelope.ts'
import { ErrorCodeSchema, errorTable, isErrorCode } from '#lib/contract/errors.ts'

describe('the closed list of error codes', () => {
  it('gives each an envelope with its status and a link to its section', () => {
    for (const code of ErrorCodeSchema.options) {
      const body = ErrorEnvelopeSchema.parse(errorBody('id', code, 'why'))
      expect(body).toEqual({
        request_id: 'id',
        status: errorTable[code].status,
        success: false,
        message: 'why',
        error: { code, message: 'why', docs: `/docs/errors#${code}` },
      })
    }
    expect(ErrorCodeSchema.options).toEqual(Object.keys(errorTable))
  })

  it('knows nothing that an object has by itself', () => {
    for (const name of ['constructor', 'toString', '__proto__', '']) expect(isErrorCode(name)).toBe(false)
  })

  it('names details only where there are some', () => {
    expect(errorBody('id', 'INVALID_REQUEST', 'why', []).error).not.toHaveProperty('details')
    expect(errorBody('id', 'INVALID_REQUEST', 'why', [{ path: 'a', message: 'b' }]).error.details).toEqual([{ path: 'a', message: 'b' }])
  })
})

describe('urlProblem', () => {
  it('takes only what is an http(s) URL with a host and without credentials', () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl({ withQueryParameters: true, withFragments: true }), fc.string(), fc.jsonValue()), (value) => {
        if (urlProblem(value) !== undefined) return
        const url = new URL(z.string().parse(value))
        expect(['http:', 'https:']).toContain(url.protocol)
        expect(url.hostname).not.toBe('')
        expect(url.username + url.password).toBe('')
      }),
      { numRuns: 500 },
    )
  })

  it('takes every ordinary URL', () => {
    fc.assert(fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (url) => void expect(urlProblem(url)).toBeUndefined()))
  })

  it('shows no credentials and no more than a little of what was sent', () => {
    expect(urlProblem('http://user:hunter2@a/')).not.toContain('hunter2')
    expect(urlProblem('x'.repeat(10_000))?.length).toBeLessThan(400)
  })
})

describe('PublishRequestSchema', () => {
  it('gives an interval from 1 to a day for whatever it takes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.double(), fc.jsonValue()), (seconds) => {
        const parsed = PublishRequestSchema.safeParse({ data: {}, poll_interval_seconds: seconds })
        if (!parsed.success) return
        const { poll_interval_seconds: stored } = parsed.data
        expect(Number.isInteger(stored) && stored >= 1 && stored <= 86_400).toBe(true)
        expect(stored).toBe(typeof seconds === 'number' && seconds > 0 ? seconds : 30)
      }),
      { numRuns: 500 },
    )
  })
})

describe('RegisterRequestSchema', () => {
  const agent = { hostname: 'web-01', ip_address: '10.0.0.7', port: 8081 }

  it.each([
    [{}],
    [{ port: 1 }],
    [{ port: 65_535 }],
    [{ instance_id: '9A1F6C0E-5D0F-4F5B-8A51-7B1F2F0A9C55' }],
    [{ labels: {} }],
    [{ labels: { zone: 'eu', '': 'x' } }, false],
    [{ labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, ''])) }, false],
    [{ labels: { zone: 7 } }, false],
    [{ labels: { ['k'.repeat(65)]: 'x' } }, false],
    [{ labels: { k: 'x'.repeat(257) } }, false],
    [{ port: 0 }, false],
    [{ port: 65_536 }, false],
    [{ port: 80.5 }, false],
    [{ port: '8081' }, false],
    [{ hostname: '' }, false],
    [{ hostname: undefined }, false],
    [{ ip_address: null }, false],
    [{ hostname: 'x'.repeat(256) }, false],
    [{ instance_id: 'me' }, false],
    [{ agent_version: 7 }, false],
  ])('%j is taken: %s', (fields, taken = true) => expect(RegisterRequestSchema.safeParse({ ...agent, ...fields }).success).toBe(taken))
})

describe('WaitQuerySchema', () => {
  it('takes whole seconds from 0 to 60 and nothing else', () => {
    for (let seconds = 0; seconds <= 99; seconds++) expect(WaitQuerySchema.safeParse({ wait: String(seconds) }).success).toBe(seconds <= 60)
    fc.assert(fc.property(fc.string(), (wait) => void expect(WaitQuerySchema.safeParse({ wait }).success).toBe(/^\d{1,2}$/.test(wait) && Number(wait) <= 60)))
  })
})
