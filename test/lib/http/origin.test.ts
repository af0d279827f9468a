import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { ApiError } from '#lib/http/errors.ts'
import { createOriginCheck, isLoopbackHost, refuseBrowsers } from '#lib/http/origin.ts'

/** An app behind the rule, answering 200 or the code of the refusal. */
const guarded = new Hono()
guarded.use(refuseBrowsers(createOriginCheck({ allowedHosts: ['Config.Internal', '10.0.0.5'] })))
guarded.all('*', (c) => c.text('served'))
guarded.onError((error, c) => (error instanceof ApiError ? c.text(error.code, 403) : c.text('failed', 500)))

async function call(headers: Readonly<Record<string, string>>): Promise<string> {
  return (await guarded.request('http://ignored/', { headers })).text()
}

describe('refuseBrowsers', () => {
  it.each([
    'localhost',
    'localhost:6001',
    'LOCALHOST:6001',
    'localhost.',
    'app.localhost:1',
    '127.0.0.1',
    '127.0.0.1:6001',
    '127.9.9.9:80',
    '[::1]:6001',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]:6001',
    'config.internal:6001',
    'CONFIG.INTERNAL',
    '10.0.0.5',
  ])('serves Host: %s', async (host) => expect(await call({ Host: host })).toBe('served'))

  it.each([
    'evil.example',
    'evil.example:6001',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'notlocalhost',
    'sub.config.internal',
    '10.0.0.6',
    '0.0.0.0:6001',
    '[::]',
    '[::ffff:10.0.0.6]',
    '169.254.169.254',
    '',
    'a b',
    'evil.example@localhost',
    'localhost/evil',
    'localhost#evil.example',
    'localhost?evil.example',
    'localhost\\evil',
  ])('refuses Host: %s', async (host) => expect(await call({ Host: host })).toBe('FORBIDDEN_ORIGIN'))

  it.each([
    'null',
    'https://evil.example',
    'http://localhost',
    'http://localhost:6002',
    'http://127.0.0.1:6001',
    'http://localhost:6001.evil.example',
    'file://',
    'chrome-extension://localhost:6001',
    '',
  ])('refuses Origin: %s on localhost:6001', async (origin) => expect(await call({ Host: 'localhost:6001', Origin: origin })).toBe('FORBIDDEN_ORIGIN'))

  it('serves its own pages', async () => {
    expect(await call({ Host: 'localhost:6001', Origin: 'http://localhost:6001', 'Sec-Fetch-Site': 'same-origin' })).toBe('served')
  })

  it.each(['cross-site', 'same-site', 'Cross-Site', 'nonsense'])('refuses Sec-Fetch-Site: %s', async (site) => {
    expect(await call({ Host: 'localhost', 'Sec-Fetch-Site': site })).toBe('FORBIDDEN_ORIGIN')
  })

  it.each(['none', 'same-origin'])('serves Sec-Fetch-Site: %s', async (site) => {
    expect(await call({ Host: 'localhost', 'Sec-Fetch-Site': site })).toBe('served')
  })
})

describe('isLoopbackHost', () => {
  it.each(['localhost', 'a.localhost', '127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1'])('%s is loopback', (name) =>
    expect(isLoopbackHost(name)).toBe(true),
  )
  it.each(['', 'localhost.com', '128.0.0.1', '::2', '0.0.0.0', '::', 'locаlhost'])('%s is not', (name) => expect(isLoopbackHost(name)).toBe(false))
})
