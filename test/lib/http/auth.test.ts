import { describe, expect, it } from 'vitest'
import { createApp } from '#lib/http/app.ts'
import { apiKeyAuth, createKeyRing, openPaths } from '#lib/http/auth.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { errorOf } from '#test/_support/controller.ts'

const app = createApp({ logger: silentLogger })
app.use(apiKeyAuth({ keys: createKeyRing(['right', 'second']), open: openPaths }))
for (const path of ['/config', '/health', '/docs', '/docs/errors', '/docsx']) app.get(path, (c) => c.text('served'))

const call = (path: string, headers: Readonly<Record<string, string>> = {}) => app.request(path, { headers })

describe('apiKeyAuth', () => {
  it.each([
    [{ 'X-API-Key': 'right' }],
    [{ 'X-API-Key': 'second' }],
    [{ Authorization: 'Bearer right' }],
    [{ authorization: 'bearer  right' }],
    [{ 'X-API-Key': 'right', Authorization: 'Bearer wrong' }],
  ])('serves %j', async (headers) => expect((await call('/config', headers)).status).toBe(200))

  it.each([
    [{}],
    [{ 'X-API-Key': '' }],
    [{ Authorization: 'right' }],
    [{ Authorization: 'Basic cmlnaHQ=' }],
    [{ Authorization: 'Bearer' }],
    [{ Authorization: 'Bearer a b' }],
  ])('answers 401 to %j', async (headers) => {
    const answer = await call('/config', headers)
    expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer')
    expect((await errorOf(answer, 401, 'UNAUTHORIZED')).message).toBe('missing API key')
  })

  it.each([
    [{ 'X-API-Key': 'wrong' }],
    [{ 'X-API-Key': 'Right' }],
    [{ 'X-API-Key': 'right2' }],
    [{ Authorization: 'Bearer wrong' }],
    [{ 'X-API-Key': 'wrong', Authorization: 'Bearer right' }],
  ])('answers 403 to %j', async (headers) => expect((await errorOf(await call('/config', headers), 403, 'FORBIDDEN')).message).toBe('invalid API key'))

  it.each(['/health', '/docs', '/docs/errors'])('serves %s without a key, and with a wrong one', async (path) => {
    expect((await call(path)).status).toBe(200)
    expect((await call(path, { 'X-API-Key': 'wrong' })).status).toBe(200)
  })

  it.each(['/docsx', '/nowhere', '/health/', '/docs/../config', '/%63onfig', '//config'])('says nothing of %s without a key', async (path) => {
    const response = await call(path)
    expect([401, 404]).toContain(response.status)
    expect(await response.text()).not.toBe('served')
  })
})
