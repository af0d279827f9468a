import { describe, expect, it } from 'vitest'
import { ConsoleSession, fieldsOf, readable } from '#test/_support/console-session.ts'
import { TestController } from '#test/_support/controller.ts'

const path = '/console/rollback/1'
const evil = '<script>alert(1)</script>'

async function opened() {
  const controller = await TestController.open()
  await controller.request('/config', { body: { data: { n: 1, note: evil }, comment: `${evil}first` } })
  await controller.publish({ n: 2 })
  return { controller, session: await ConsoleSession.begin(controller), [Symbol.asyncDispose]: () => controller[Symbol.asyncDispose]() }
}
const history = async ({ controller }: { readonly controller: TestController }) => (await controller.deps.store.history({ limit: 10, data: true })).entries

describe('rolling back from the console', () => {
  it('200: shows what it changes first, and changes nothing', async () => {
    await using at = await opened()
    const page = await at.session.get(path)
    expect(page.status).toBe(200)
    expect(page.html).not.toContain('<script>alert')
    expect(readable(page)).toContain(`${evil}first`)
    expect(readable(page)).toContain('removed: 3 − "n": 2')
    expect(readable(page)).toContain('added: 3 + "n": 1')
    expect(readable(page)).toContain('It comes as version 3, with the content of version 1.')
    expect(fieldsOf(page, path)).toMatchObject({ base: '2', comment: '' })
    expect((await history(at)).length).toBe(2)
  })

  it('303: brings the content back as a new version, once however often it is sent', async () => {
    await using at = await opened()
    const fields = { ...fieldsOf(await at.session.get(path), path), comment: 'n was right' }
    const answers = [...(await Promise.all([at.session.post(path, fields), at.session.post(path, fields)])), await at.session.post(path, fields)]
    for (const answer of answers) expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/console/configs/3'])
    const entries = await history(at)
    expect(entries.length).toBe(3)
    expect(entries[0]).toMatchObject({ version: 3, data: { n: 1, note: evil }, rollback_of: 1, comment: 'n was right' })
  })

  it('412: shows what changed meanwhile, and what going back changes now', async () => {
    await using at = await opened()
    const fields = { ...fieldsOf(await at.session.get(path), path), comment: 'kept' }
    await at.controller.publish({ n: 3 })
    const conflict = await at.session.post(path, fields)
    expect(conflict.status).toBe(412)
    expect(readable(conflict)).toContain('you began with version 2, and version 3 is the latest now')
    expect(readable(conflict)).toContain('removed: 3 − "n": 3')
    expect(fieldsOf(conflict, path)).toMatchObject({ base: '3', comment: 'kept' })
    expect((await history(at)).length).toBe(3)
    expect((await at.session.post(path, fieldsOf(conflict, path))).headers.get('Location')).toBe('/console/configs/4')
  })

  it('400: does not bring back what breaks the schema of today', async () => {
    await using at = await opened()
    const fields = fieldsOf(await at.session.get(path), path)
    await at.controller.request('/config/schema', { method: 'PUT', body: { properties: { n: { minimum: 2 } } } })
    const page = await at.session.get(path)
    expect([page.status, readable(page)]).toEqual([200, expect.stringContaining('data.n: must be >= 2')])
    expect(page.html).not.toContain('>Roll back to 1</button>')
    const refused = await at.session.post(path, fields)
    expect([refused.status, readable(refused)]).toEqual([400, expect.stringContaining('data.n: must be >= 2')])
    expect((await history(at)).length).toBe(2)
  })

  it('says that there is nothing to go back from where it is the latest, and 404 where there is none', async () => {
    await using at = await opened()
    expect(readable(await at.session.get('/console/rollback/2'))).toContain('there is nothing to go back from')
    expect((await at.session.get('/console/rollback/9')).status).toBe(404)
    expect((await at.session.post('/console/rollback/9', fieldsOf(await at.session.get(path), path))).status).toBe(404)
  })

  it('400 and 403: a comment that is too long, and a form from elsewhere', async () => {
    await using at = await opened()
    const fields = fieldsOf(await at.session.get(path), path)
    expect((await at.session.post(path, { ...fields, comment: 'x'.repeat(1001) })).status).toBe(400)
    expect((await at.session.post(path, { ...fields, base: 'x' })).status).toBe(400)
    expect((await at.session.post(path, { ...fields, csrf: 'x' })).status).toBe(403)
    expect((await history(at)).length).toBe(2)
  })
})
