import { describe, expect, it } from 'vitest'
import { type Role, rolePermissions } from '#lib/contract/keys.ts'
import { ConsoleUser } from '#test/_support/console.ts'
import { TestController } from '#test/_support/controller.ts'
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
  'GET /configs/:version{[0-9]{1,15}}': 'publish',
  'GET /publish': 'publish',
  'POST /publish': 'publish',
  'GET /rollback/:version{[0-9]{1,15}}': 'publish',
  'POST /rollback/:version{[0-9]{1,15}}': 'publish',
  'GET /schema': 'publish',
  'POST /schema': 'admin',
  'GET /schema/delete': 'admin',
  'POST /schema/delete': 'admin',
  'GET /hits': 'publish',
  'GET /hits/:taskId': 'publish',
  'GET /hits/:taskId/live': 'publish',
  'POST /hits/try': 'publish',
  'POST /hits/retry': 'publish',
  'POST /hits/:what{pause|resume}': 'publish',
  'POST /hits/:taskId/retry': 'publish',
  'GET /keys': 'admin',
  'POST /keys': 'admin',
  'GET /keys/:id/revoke': 'admin',
  'POST /keys/:id/revoke': 'admin',
  'GET /audit': 'admin',
  'GET /audit/chain': 'admin',
  'POST /logout': null,
  'POST /theme': null,
}
const concrete = (path: string): string =>
  path
    .replace(/:what\{.*\}/, 'pause')
    .replace(/\{.*\}$/, '')
    .replaceAll(/:\w+/g, '1')
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
