import { describe, expect, it } from 'vitest'
import { safeNext } from '#services/controller/console/session/guard.ts'
import { ConsoleUser, fieldOf } from '#test/_support/console.ts'
import { errorOf, TEST_KEY, TestController, tryWrongKeys } from '#test/_support/controller.ts'
import { withHeldClock } from '../fleet-calls.ts'

const html = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const foreign = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }

describe('the way in', () => {
  it('leads browsers from / to the console and from there to the login, and tells programs what it told them before', async () => {
    await using controller = await TestController.open()
    const answer = await controller.app.request('/', { headers: html })
    expect([answer.status, answer.headers.get('Location')]).toEqual([302, '/console'])
    const console = await controller.app.request('/console/agents?q=a%26b', { headers: html })
    expect([console.status, console.headers.get('Location')]).toEqual([303, '/console/login?next=%2Fconsole%2Fagents%3Fq%3Da%2526b'])
    for (const headers of [{}, { Accept: '*/*' }, { Accept: 'application/json' }]) {
      await errorOf(await controller.app.request('/', { headers }), 401, 'UNAUTHORIZED')
      await errorOf(await controller.app.request('/', { headers: { ...headers, 'X-API-Key': TEST_KEY } }), 404, 'NOT_FOUND')
    }
  })

  it('takes the key of an admin or a publisher, keeps neither it nor what stands for it, and shows what each may do', async () => {
    await using controller = await TestController.open()
    const { key } = await controller.makeKey({ name: 'ann', role: 'publisher' })
    const ann = new Map<string, ConsoleUser>()
    for (const [name, one] of [
      ['admin', TEST_KEY],
      ['publisher', ` ${key}\n`],
    ] as const)
      ann.set(name, await ConsoleUser.login(controller, one))
    const admin = await ann.get('admin')?.get('')
    const publisher = await ann.get('publisher')?.get('')
    expect([admin?.status, publisher?.status]).toEqual([200, 200])
    expect(admin?.text).toContain('API_KEY (admin)')
    expect(publisher?.text).toContain('ann (publisher)')
    expect(admin?.html).toContain('href="/console/audit"')
    expect(publisher?.html).not.toContain('href="/console/audit"')
    const stored = JSON.stringify(await controller.deps.store.sessions())
    const secret = ann.get('publisher')?.cookie.split('=')[1] ?? ''
    expect(secret).toMatch(/^[\w-]{43}$/)
    for (const kept of [key, secret]) expect(stored).not.toContain(kept)
  })

  it.each(['agent', 'relay'] as const)('refuses the key of role %s, which may not see the fleet', async (role) => {
    await using controller = await TestController.open()
    const { key } = await controller.makeKey({ name: 'web-01', role })
    const user = await ConsoleUser.login(controller)
    const refused = await user.send('/login', { key })
    expect([refused.status, refused.headers.get('Set-Cookie')]).toEqual([403, null])
    expect(refused.text).toContain(`The role of this key is ${role}`)
  })

  it('says that a key is wrong, and slows down who tries them as the API does', async () => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    const wrong = await user.send('/login', { key: '<b>wrong</b>', next: '/console/agents' })
    expect([wrong.status, wrong.headers.get('Set-Cookie')]).toEqual([403, null])
    expect(wrong.text).toContain('knows no such key')
    expect(wrong.html).not.toContain('wrong</b>')
    expect(fieldOf(wrong.html, 'next')).toBe('/console/agents')
    expect((await user.send('/login', { key: '' })).status).toBe(401)
    tryWrongKeys(controller.deps.wrongKeys)
    const slowed = await user.send('/login', { key: 'another' })
    expect([slowed.status, slowed.headers.get('Retry-After')]).toEqual([429, '6'])
    expect(slowed.text).toContain('too many wrong ones')
  })

  it.each([
    [undefined, '/console'],
    ['/console/agents?state=failed', '/console/agents?state=failed'],
    ['https://evil.example/', '/console'],
    ['//evil.example/', '/console'],
    ['/console//evil.example', '/console'],
    ['/console/\\evil.example', '/console'],
    ['/consoles', '/console'],
    ['/config', '/console'],
    ['/console/a b', '/console'],
    ['javascript:alert(1)', '/console'],
  ])('leads from the login for %s to %s', (next, to) => expect(safeNext(next)).toBe(to))

  it('sets a cookie that scripts and other sites do not get, secure under TLS', async () => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    const plain = (await user.send('/login', { key: TEST_KEY })).headers.get('Set-Cookie')
    const secure = (await user.send('/login', { key: TEST_KEY }, { 'X-Forwarded-Proto': 'https' })).headers.get('Set-Cookie')
    expect(plain).toMatch(/^dcm_session=[\w-]{43}; Max-Age=43200; Path=\/console; HttpOnly; SameSite=Strict$/)
    expect(secure).toMatch(/; HttpOnly; Secure; SameSite=Strict$/)
  })

  it('asks once more, from here, where a link elsewhere led to a page', async () => {
    await using controller = await TestController.open()
    const answer = await controller.app.request('/console/agents', { headers: { ...html, 'Sec-Fetch-Site': 'cross-site' } })
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('http-equiv="refresh" content="0"')])
  })
})

describe('a controller with the default key', () => {
  it('lets a link elsewhere lead to a page of the console, and nothing else of another page', async () => {
    await using controller = await TestController.open({ env: { API_KEY: '' } })
    const visit = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }
    const statusOf = async (path: string, headers: object, method = 'GET') =>
      (await controller.app.request(path, { method, headers: { ...html, ...headers } as Record<string, string> })).status
    expect(await statusOf('/console/agents', visit)).toBe(200)
    expect(await statusOf('/', visit)).toBe(302)
    for (const dest of ['iframe', 'object', 'script']) expect(await statusOf('/console/agents', { ...visit, 'Sec-Fetch-Dest': dest })).toBe(403)
    expect(await statusOf('/console/agents', { ...visit, Host: 'evil.example' })).toBe(403)
    expect(await statusOf('/console/agents', { ...visit, Origin: 'https://evil.example' })).toBe(403)
    expect(await statusOf('/console/login', visit, 'POST')).toBe(403)
    expect(await statusOf('/config', visit)).toBe(403)
  })
})

describe('the login', () => {
  it('names the key of a controller that has only the default one, and no other', async () => {
    await using open = await TestController.open({ env: { API_KEY: '' } })
    expect(await (await open.app.request('/console/login')).text()).toContain('default-api-key')
    await using own = await TestController.open()
    const page = await (await own.app.request('/console/login')).text()
    for (const key of ['default-api-key', TEST_KEY]) expect(page).not.toContain(key)
  })
})

describe('a session', () => {
  it('ends by logout', async () => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    const out = await user.post('/logout')
    expect([out.status, out.headers.get('Location'), out.headers.get('Set-Cookie')]).toEqual([
      303,
      '/console/login',
      expect.stringMatching(/^dcm_session=; Max-Age=0/),
    ])
    expect((await user.get('')).status).toBe(303)
    expect(await controller.deps.store.sessions()).toEqual([])
  })

  it('ends with its time, and lasts until then over a restart', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const user = await ConsoleUser.login(controller)
    clock.pass(12 * 3_600_000 - 1)
    expect((await user.get('')).status).toBe(200)
    const { store, keys } = controller.deps
    const { Sessions } = await import('#services/controller/console/session/sessions.ts')
    const again = await Sessions.open({ store, keys, clock })
    expect(again.find(user.cookie.split('=')[1])?.caller.name).toBe('API_KEY')
    clock.pass(1)
    expect((await user.get('')).status).toBe(303)
    expect(again.find(user.cookie.split('=')[1])).toBeUndefined()
  })

  it('ends with its key', async () => {
    await using controller = await TestController.open()
    const { id, key } = await controller.makeKey({ name: 'ann', role: 'publisher' })
    const user = await ConsoleUser.login(controller, key)
    expect((await user.get('')).status).toBe(200)
    await controller.revokeKey(id)
    expect((await user.get('')).status).toBe(303)
    const part = await user.get('/live/overview', { 'HX-Request': 'true' })
    expect([part.status, part.headers.get('HX-Redirect')]).toEqual([401, '/console/login?next=%2Fconsole%2Flive%2Foverview'])
  })

  it('makes room for new ones, the oldest first', async () => {
    await using controller = await TestController.open()
    const { sessions } = controller.deps
    const first = await sessions.begin(TEST_KEY)
    const second = await sessions.begin(TEST_KEY)
    for (let n = 0; n < 998; n++) await sessions.begin(TEST_KEY)
    expect(sessions.find(first)).toBeDefined()
    await sessions.begin(TEST_KEY)
    expect([sessions.find(first), sessions.find(second)?.caller.name]).toEqual([undefined, 'API_KEY'])
    expect((await controller.deps.store.sessions()).length).toBe(1000)
  })

  it('takes no form from elsewhere, and none without its token', async () => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    expect((await user.post('/logout', {}, foreign)).status).toBe(403)
    expect((await user.post('/logout', {}, { 'Sec-Fetch-Site': 'same-site' })).status).toBe(403)
    for (const csrf of ['', 'x', 'A'.repeat(43)]) {
      const refused = await user.send('/logout', { csrf })
      expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('did not come from a page of this session')])
    }
    const other = await ConsoleUser.login(controller)
    const theirs = fieldOf((await other.get('')).html, 'csrf')
    expect((await user.send('/logout', { csrf: theirs })).status).toBe(403)
    expect((await user.send('/login', { key: TEST_KEY }, foreign)).status).toBe(403)
    expect((await user.get('')).status).toBe(200)
  })

  it.each([
    ['another type', { 'Content-Type': 'text/plain' }, 415],
    ['no length', { 'Content-Length': '' }, 413],
    ['too large a length', { 'Content-Length': '99999999' }, 413],
  ])('refuses a form of %s', async (_name, headers, status) => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    expect((await user.post('/logout', {}, headers)).status).toBe(status)
    expect((await user.get('')).status).toBe(200)
  })
})

describe('every page', () => {
  it.each(['/login', '', '/nowhere', '/assets/nothing.js'])('of %s comes with headers that let nothing else in', async (path) => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    const { headers } = await user.get(path)
    expect(headers.get('Content-Security-Policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    )
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff')
    expect(headers.get('X-Frame-Options')).toBe('DENY')
    expect(headers.get('Cache-Control')).toBe('no-store')
  })

  it('that is not there is a page that says so', async () => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    const page = await user.get('/<b>nowhere</b>')
    expect([page.status, page.text]).toEqual([404, expect.stringContaining('the console has no such page')])
    expect(page.html).not.toContain('<b>nowhere')
    expect((await user.post('/nowhere')).status).toBe(404)
  })

  it('looks as was chosen', async () => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    expect((await user.get('')).html).not.toContain('data-theme')
    const chosen = await user.post('/theme', { theme: 'dark' }, { Referer: 'http://localhost/console/agents?q=1' })
    expect([chosen.status, chosen.headers.get('Location')]).toEqual([303, '/console/agents?q=1'])
    user.cookie += `; ${chosen.headers.get('Set-Cookie')?.split(';')[0]}`
    expect((await user.get('')).html).toContain('<html lang="en" data-theme="dark">')
    expect((await user.post('/theme', { theme: '"><b>' })).headers.get('Set-Cookie')).toBeNull()
  })
})
