import { describe, expect, it } from 'vitest'
import { ConsoleSession, fieldsOf, readable } from '#test/_support/console-session.ts'
import { TestController } from '#test/_support/controller.ts'

const path = '/console/keys'
const keyOn = (html: string) => /<code id="the-key">(dcm_[A-Za-z0-9_-]{43})<\/code>/.exec(html)?.[1]

describe('the keys of the console', () => {
  it('201: makes a key, shows it once, and makes no second one of the same form', async () => {
    await using controller = await TestController.open()
    const session = await ConsoleSession.begin(controller)
    expect(readable(await session.get(path))).toContain('No key was made yet')
    const fields = { ...fieldsOf(await session.get(path), path), name: 'web-01', role: 'publisher', expires: '2099-01-31' }
    const page = await session.post(path, fields)
    expect([page.status, page.headers.get('Cache-Control')]).toEqual([201, 'no-store'])
    const key = keyOn(page.html)
    expect(controller.deps.keys.caller(key ?? '')).toMatchObject({ name: 'web-01', role: 'publisher', expiresAt: Date.parse('2099-01-31T00:00:00Z') })
    expect(page.html).toContain('data-copy="the-key"')
    const reloaded = await session.post(path, fields)
    expect([reloaded.status, keyOn(reloaded.html)]).toEqual([400, undefined])
    expect(readable(reloaded)).toContain('No key was made now')
    expect((await session.get(path)).html).not.toContain(key)
    expect(controller.deps.keys.list().length).toBe(1)
  })

  it('makes one key of two forms that are sent at once', async () => {
    await using controller = await TestController.open()
    const session = await ConsoleSession.begin(controller)
    const fields = { ...fieldsOf(await session.get(path), path), name: 'web-01', role: 'agent' }
    const answers = await Promise.all([session.post(path, fields), session.post(path, fields)])
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400])
    expect(controller.deps.keys.list().length).toBe(1)
  })

  it('makes one that never expires where no day is given', async () => {
    await using controller = await TestController.open()
    const page = await (await ConsoleSession.begin(controller)).send(path, { name: 'ops', role: 'admin', expires: '' })
    expect(readable(page)).toContain('it does not expire')
    expect(controller.deps.keys.list()[0]?.expires_at).toBeNull()
  })

  it.each([
    ['a name with markup', { name: '<script>alert(1)</script>' }, 'name: expected 1 to 100 letters'],
    ['no name', { name: ' ' }, 'name: expected 1 to 100 letters'],
    ['a role that there is not', { role: 'king' }, 'role: expected one of agent, relay, publisher, admin'],
    ['a day that is none', { expires: '<b>soon' }, 'expires_at: expected a time as'],
    ['a day that is over', { expires: '2001-01-01' }, 'expires_at: expected a time to come'],
  ])('400: refuses %s, and keeps what was written', async (_what, wrong, said) => {
    await using controller = await TestController.open()
    const session = await ConsoleSession.begin(controller)
    const page = await session.send(path, { name: 'web-01', role: 'agent', ...wrong })
    expect([page.status, readable(page)]).toEqual([400, expect.stringContaining(said)])
    expect(page.html).not.toMatch(/<script>alert|<b>soon/)
    if ('expires' in wrong) expect(fieldsOf(page, path)).toMatchObject({ name: 'web-01', ...wrong })
    expect(controller.deps.keys.list()).toEqual([])
    // The form that comes back can be sent.
    expect((await session.post(path, { ...fieldsOf(page, path), name: 'web-01', role: 'agent', expires: '' })).status).toBe(201)
  })

  it('lists keys by name, role and beginning, and when they were used', async () => {
    await using controller = await TestController.open()
    const { key, prefix } = await controller.makeKey({ name: 'ops', role: 'publisher' })
    await controller.request('/config', { key })
    const page = await (await ConsoleSession.begin(controller)).get(path)
    expect(page.html).not.toContain(key)
    expect(readable(page)).toMatch(new RegExp(`ops\\s*publisher\\s*${prefix}…`))
    expect(readable(page)).toContain('never')
  })

  it('revokes a key after it has asked', async () => {
    await using controller = await TestController.open()
    const { id, key } = await controller.makeKey({ name: 'ops', role: 'publisher' })
    const session = await ConsoleSession.begin(controller)
    const action = `${path}/${id}/revoke`
    const asked = await session.get(action)
    expect([asked.status, readable(asked)]).toEqual([200, expect.stringContaining('Revoke the key of ops')])
    expect(controller.deps.keys.caller(key)).toBeDefined()
    const fields = fieldsOf(asked, action)
    expect((await session.post(action, { ...fields, csrf: 'x' })).status).toBe(403)
    expect((await session.post(action, fields)).headers.get('Location')).toBe(path)
    expect(controller.deps.keys.caller(key)).toBeUndefined()
    expect((await session.post(action, fields)).status).toBe(404)
    expect((await session.get(action)).status).toBe(404)
    expect((await session.get(`${path}/bootstrap/revoke`)).html).toContain('a restart')
  })

  it('warns whoever revokes the own key, and ends that session', async () => {
    await using controller = await TestController.open()
    const { id, key } = await controller.makeKey({ name: 'ops', role: 'admin' })
    const session = await ConsoleSession.begin(controller, key)
    const action = `${path}/${id}/revoke`
    const asked = await session.get(action)
    expect(readable(asked)).toContain('your session ends with it')
    await session.post(action, fieldsOf(asked, action))
    expect((await session.get(path)).headers.get('Location')).toContain('/console/login')
  })

  it('403: a publisher sees, makes and revokes none', async () => {
    await using controller = await TestController.open()
    const { id, key } = await controller.makeKey({ name: 'ops', role: 'publisher' })
    const session = await ConsoleSession.begin(controller, key)
    const { csrf = '' } = fieldsOf(await session.get('/console'), '/console/logout')
    expect((await session.get('/console')).html).not.toContain(`href="${path}"`)
    expect((await session.get(path)).status).toBe(403)
    expect((await session.post(path, { csrf, name: 'x', role: 'admin' })).status).toBe(403)
    expect((await session.get(`${path}/${id}/revoke`)).status).toBe(403)
    expect((await session.post(`${path}/${id}/revoke`, { csrf })).status).toBe(403)
    expect(controller.deps.keys.list().length).toBe(1)
  })
})
