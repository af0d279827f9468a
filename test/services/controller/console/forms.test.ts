import { describe, expect, it, vi } from 'vitest'
import { AuditPageSchema } from '#lib/contract/audit.ts'
import { type Role, rolePermissions } from '#lib/contract/keys.ts'
import { ConsoleUser, fieldOf } from '#test/_support/console.ts'
import { dataOf, TestController } from '#test/_support/controller.ts'
import { register, report } from '../fleet-calls.ts'

/** Every route behind the login, and what a key needs for it. */
const needs: Readonly<Record<string, keyof typeof import('#lib/contract/keys.ts').permissions | null>> = {
  'GET ': 'fleet',
  'GET /live/overview': 'fleet',
  'GET /live/convergence': 'fleet',
  'GET /live/hits': 'publish',
  'GET /agents': 'fleet',
  'GET /agents/:id': 'fleet',
  'GET /agents/:id/live': 'fleet',
  'POST /agents/:id/forget': 'admin',
  'GET /configs': 'publish',
  'GET /configs/compare': 'publish',
  'GET /configs/:version': 'publish',
  'GET /publish': 'publish',
  'POST /publish': 'publish',
  'GET /rollback/:version': 'publish',
  'POST /rollback/:version': 'publish',
  'GET /schema': 'publish',
  'POST /schema': 'admin',
  'GET /hits': 'publish',
  'GET /hits/:taskId': 'publish',
  'GET /hits/:taskId/live': 'publish',
  'POST /hits/try': 'publish',
  'POST /hits/retry': 'publish',
  'POST /hits/:what{pause|resume}': 'publish',
  'POST /hits/:taskId/retry': 'publish',
  'GET /keys': 'admin',
  'POST /keys': 'admin',
  'POST /keys/:id/revoke': 'admin',
  'GET /audit': 'admin',
  'POST /logout': null,
  'POST /theme': null,
}
const concrete = (path: string): string => path.replace(/:what\{.*\}/, 'pause').replaceAll(/:\w+/g, '1')
/** A session of a role that a login would not let in, or of one that it would. */
async function userOf(controller: TestController, role: Role): Promise<ConsoleUser> {
  const user = await ConsoleUser.login(controller)
  const { key } = await controller.makeKey({ name: `a-${role}`, role })
  user.cookie = `dcm_session=${await controller.deps.sessions.begin(key)}`
  return user
}

describe('the routes of the console', () => {
  it('are those of the table', async () => {
    await using controller = await TestController.open()
    const routes = controller.app.routes.filter(({ method, path }) => method !== 'ALL' && path.startsWith('/console') && !/\/(login|assets)/.test(path))
    expect(new Set(routes.map(({ method, path }) => `${method} ${path.replace(/^\/console\/?/, '/').replace(/^\/$/, '')}`))).toEqual(
      new Set(Object.keys(needs)),
    )
  })

  it.each(['agent', 'relay', 'publisher'] as const)('may be used by a key of role %s as far as that role reaches', async (role) => {
    await using controller = await TestController.open()
    const user = await userOf(controller, role)
    for (const [route, permission] of Object.entries(needs)) {
      const [method, path = ''] = route.split(' ')
      // A stream has no end to be read to.
      if (path.includes('live') && permission !== null && rolePermissions[role].has(permission)) continue
      const answer = method === 'GET' ? await user.get(concrete(path)) : await user.send(concrete(path), { csrf: 'none' })
      const isRefused = answer.status === 403 && !answer.text.includes('did not come from a page of this session')
      expect([role, route, isRefused]).toEqual([role, route, permission !== null && !rolePermissions[role].has(permission)])
    }
  })

  it('take no form without the token of its session, and none from elsewhere', async () => {
    await using controller = await TestController.open()
    await controller.publish({ url: 'http://a/' })
    const user = await ConsoleUser.login(controller)
    for (const route of Object.keys(needs).filter((one) => one.startsWith('POST'))) {
      const path = concrete(route.slice(5))
      for (const refused of [await user.send(path, { step: 'publish' }), await user.post(path, {}, { 'Sec-Fetch-Site': 'cross-site' })])
        expect([route, refused.status]).toEqual([route, 403])
    }
    expect(controller.deps.feed.current?.version).toBe(1)
  })
})

describe('publishing from the console', () => {
  /** A controller with one version, and somebody who began a change. */
  async function begun() {
    const controller = await TestController.open()
    await controller.publish({ url: 'http://a/', n: 1 })
    const user = await ConsoleUser.login(controller)
    const { html } = await user.get('/publish')
    const draft = { began: fieldOf(html, 'began'), once: fieldOf(html, 'once'), data: '{"url":"http://a/","n":2}', comment: 'why', interval: '7' }
    /** The draft as its preview would send it. */
    const previewed = async (fields = draft) => {
      const page = await user.post('/publish', { ...fields, step: 'preview' })
      return { ...fields, previewed: fieldOf(page.html, 'previewed'), step: 'publish' }
    }
    return { controller, user, draft, previewed, latest: () => controller.deps.feed.current?.config }
  }

  it('shows what would change, and changes it only then, once, however often it is sent', async () => {
    const { controller, user, draft, previewed, latest } = await begun()
    await using _ = controller
    const preview = await user.post('/publish', { ...draft, step: 'preview' })
    expect([preview.status, preview.text]).toEqual([200, expect.stringContaining('Preview of version 2')])
    expect(preview.html).toContain('line-added')
    expect(latest()?.version).toBe(1)
    const form = await previewed()
    for (const answer of await Promise.all([user.post('/publish', form), user.post('/publish', form), user.post('/publish', form)]))
      expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/console/configs/2'])
    expect(latest()).toMatchObject({ version: 2, data: { n: 2 }, poll_interval_seconds: 7 })
    const { entries } = await dataOf(await controller.request('/audit'), 200, AuditPageSchema)
    expect(entries.filter(({ action }) => action === 'publish').map(({ comment }) => comment)).toEqual(['why', null])
  })

  it('publishes nothing that was not looked at', async () => {
    const { controller, user, previewed, latest } = await begun()
    await using _ = controller
    const form = { ...(await previewed()), data: '{"url":"http://evil/"}' }
    const answer = await user.post('/publish', form)
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('It is not what was previewed')])
    expect((await user.post('/publish', { ...form, previewed: '' })).text).toContain('It is not what was previewed')
    expect(latest()?.version).toBe(1)
  })

  it.each([
    ['no JSON', '{"url": ', /data: expected JSON/],
    ['a key given twice', '{"a":1,"a":2}', /given twice/],
    ['no object', '[1]', /expected a JSON object/],
    ['a url that no worker can use', '{"url":"ftp://x"}', /data\.url: expected an absolute http/],
    ['a number that would be stored changed', '{"n":12345678901234567890}', /n: /],
  ])('says where it is wrong, and keeps what was typed: %s', async (_name, data, message) => {
    const { controller, user, draft, latest } = await begun()
    await using _ = controller
    for (const step of ['preview', 'publish']) {
      const answer = await user.post('/publish', { ...draft, data, step })
      expect([answer.status, answer.text]).toEqual([400, expect.stringMatching(message)])
      expect(answer.text).toContain(data.trim())
      expect(answer.html).toContain('value="why"')
    }
    expect(latest()?.version).toBe(1)
  })

  it('names what the config schema refuses, by the field, and offers no way to publish it', async () => {
    const { controller, user, draft, previewed, latest } = await begun()
    await using _ = controller
    await controller.request('/config/schema', { method: 'PUT', body: { properties: { n: { type: 'number', maximum: 1 } } } })
    const preview = await user.post('/publish', { ...draft, step: 'preview' })
    expect([preview.status, preview.text]).toEqual([200, expect.stringMatching(/The config schema refuses it: .*data\.n : must be <= 1/)])
    expect(preview.text).not.toContain('Publish version 2')
    const answer = await user.post('/publish', await previewed())
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('data.n')])
    expect(latest()?.version).toBe(1)
  })

  it('says what changed meanwhile, and goes on from there', async () => {
    const { controller, user, previewed, latest } = await begun()
    await using _ = controller
    const form = await previewed()
    await controller.publish({ url: 'http://a/', n: 1, theirs: true })
    const answer = await user.post('/publish', form)
    expect([answer.status, answer.text]).toEqual([412, expect.stringContaining('Meanwhile version 2 was published')])
    expect(answer.text).toMatch(/\+ .*"theirs": true/)
    expect(answer.text).toContain(form.data)
    expect([fieldOf(answer.html, 'began'), latest()?.version]).toEqual(['2', 2])
    const again = await previewed({ ...form, began: '2', once: fieldOf(answer.html, 'once') })
    expect((await user.post('/publish', again)).headers.get('Location')).toBe('/console/configs/3')
  })

  it('refuses what is too large', async () => {
    const { controller, user, draft } = await begun()
    await using _ = controller
    const answer = await user.post('/publish', { ...draft, data: JSON.stringify({ x: 'x'.repeat(1024 * 1024) }), step: 'preview' })
    expect([answer.status, answer.text]).toEqual([413, expect.stringContaining('at most 1048576 are allowed')])
  })
})

describe('going back', () => {
  it('shows what that changes, does it once, and not over the head of somebody who published meanwhile', async () => {
    await using controller = await TestController.open()
    for (const n of [1, 2]) await controller.publish({ url: 'http://a/', n })
    const user = await ConsoleUser.login(controller)
    const page = await user.get('/rollback/1')
    expect(page.text).toMatch(/~ .*"n": 2,? .*"n": 1/)
    const form = { began: fieldOf(page.html, 'began'), once: fieldOf(page.html, 'once'), comment: 'back' }
    await controller.publish({ url: 'http://a/', n: 3 })
    const refused = await user.post('/rollback/1', form)
    expect([refused.status, refused.text]).toEqual([412, expect.stringContaining('latest version is 3')])
    const fresh = { ...form, began: fieldOf(refused.html, 'began'), once: fieldOf(refused.html, 'once') }
    for (const answer of [await user.post('/rollback/1', fresh), await user.post('/rollback/1', fresh)])
      expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/console/configs/4'])
    expect(controller.deps.feed.current?.config).toMatchObject({ version: 4, data: { n: 1 } })
    expect((await user.get('/configs/4')).text).toMatch(/Brought back 1/)
    expect((await user.get('/rollback/99')).status).toBe(404)
    expect((await user.get('/rollback/x')).status).toBe(400)
  })
})

describe('the schema', () => {
  it('is set, refused where the latest config does not meet it, forced, and deleted', async () => {
    await using controller = await TestController.open()
    await controller.publish({ url: 'http://a/' })
    const user = await ConsoleUser.login(controller)
    const strict = '{"required":["n"]}'
    const refused = await user.post('/schema', { schema: strict, step: 'set' })
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('the latest config does not meet it')])
    expect(refused.text).toContain(strict)
    expect((await user.post('/schema', { schema: '{', step: 'set' })).status).toBe(400)
    expect((await user.post('/schema', { schema: strict, step: 'set', force: 'true', comment: 'why' })).status).toBe(303)
    expect((await user.get('/schema')).text).toMatch(/In force since .* set by API_KEY/)
    expect((await user.post('/schema', { step: 'delete' })).status).toBe(303)
    expect((await user.get('/schema')).text).toContain('No schema is in force')
    expect((await user.post('/schema', { step: 'delete' })).status).toBe(404)
  })
})

describe('keys', () => {
  it('are shown once, listed by their beginning, and revoked', async () => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    const made = await user.post('/keys', { name: 'web-01', role: 'agent', expires: '2099-01-31T10:00' })
    const key = /dcm_[\w-]{43}/.exec(made.text)?.[0] ?? ''
    expect([made.status, made.headers.get('Cache-Control'), key.length]).toEqual([200, 'no-store', 47])
    expect((await controller.request('/config', { key })).status).toBe(404)
    const list = await user.get('/keys')
    expect(list.text).not.toContain(key)
    expect(list.text).toMatch(new RegExp(`web-01 agent ${key.slice(0, 10)}…`))
    expect(list.html).toContain('datetime="2099-01-31T10:00:00.000Z"')
    const path = /action="\/console(\/keys\/[\w-]+\/revoke)"/.exec(list.html)?.[1] ?? ''
    expect((await user.post(path)).headers.get('Location')).toBe('/console/keys')
    expect((await controller.request('/config', { key })).status).toBe(403)
    expect((await user.post(path)).status).toBe(404)
  })

  it.each([
    ['a bad name', { name: '<b>', role: 'agent' }, /name: expected 1 to 100/],
    ['no role', { name: 'a', role: 'king' }, /role: expected one of/],
    ['a time that is over', { name: 'a', role: 'agent', expires: '2001-01-01T00:00' }, /expires_at: expected a time to come/],
  ])('are refused with %s, and what was typed stays', async (_name, fields, message) => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    const refused = await user.post('/keys', fields)
    expect([refused.status, refused.text]).toEqual([400, expect.stringMatching(message)])
    expect(fieldOf(refused.html, 'name')).toBe(fields.name)
    expect(controller.deps.keys.list()).toEqual([])
  })
})

describe('the audit', () => {
  it('says that its chain is whole, filters, and pages', async () => {
    await using controller = await TestController.open()
    const { key } = await controller.makeKey({ name: 'ann', role: 'publisher' })
    for (let n = 0; n < 60; n++) await controller.publish({ n })
    await controller.request('/config', { key, body: { data: {}, comment: 'hers' } })
    const user = await ConsoleUser.login(controller)
    const page = await user.get('/audit')
    expect(page.text).toContain('The chain is whole : all 62 entries were checked')
    expect(page.html).toContain('/console/audit?before=13')
    expect((await user.get('/audit?before=13')).text).toContain('key made')
    const hers = await user.get('/audit?actor=ann')
    expect(hers.text).toContain('hers')
    expect(hers.html).not.toContain('before=')
    expect((await user.get('/audit?action=key_made')).text).toContain('ann, publisher')
    expect((await user.get('/audit?action=nothing')).status).toBe(400)
  })

  it('says where it was tampered with', async () => {
    await using controller = await TestController.open()
    for (let n = 0; n < 3; n++) await controller.publish({ n })
    const { store } = controller.deps
    const original = store.audit
    vi.spyOn(store, 'audit').mockImplementation(async (query) => {
      const { entries, ...rest } = await original(query)
      return { ...rest, entries: entries.map((entry) => (entry.seq === 2 ? { ...entry, comment: 'another' } : entry)) }
    })
    const user = await ConsoleUser.login(controller)
    expect((await user.get('/audit')).text).toMatch(/The audit was tampered with: entry 2 was altered/)
  })
})

describe('an agent', () => {
  it('has a page with what it made of each version, and is forgotten by an admin', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const id = await register(controller, 'web-01', { labels: { zone: 'eu-1' } })
    await report(controller, id, 1, 'failed', 'no such key')
    const user = await ConsoleUser.login(controller)
    const page = await user.get(`/agents/${id}`)
    expect(page.text).toMatch(/Its worker refused version 1: no such key/)
    expect(page.text).toMatch(/1 ✕ failed .* no such key/)
    expect(page.text).toContain('zone:eu-1')
    expect((await user.get('/agents?label=zone:eu-1&state=failed')).text).toContain('1 agent')
    expect((await user.get('/agents?label=odd')).status).toBe(400)
    expect((await user.post(`/agents/${id}/forget`)).headers.get('Location')).toBe('/console/agents')
    expect((await user.get(`/agents/${id}`)).status).toBe(404)
  })
})
