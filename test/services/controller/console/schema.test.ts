import { describe, expect, it } from 'vitest'
import { ConsoleSession, fieldsOf, readable } from '#test/_support/console-session.ts'
import { TestController } from '#test/_support/controller.ts'

const path = '/console/schema'
const evil = '</textarea><script>alert(1)</script>'
const strict = JSON.stringify({ title: evil, properties: { n: { maximum: 10 } } })

describe('the config schema of the console', () => {
  it('says what to do where none is in force, and who set the one that is', async () => {
    await using controller = await TestController.open()
    const session = await ConsoleSession.begin(controller)
    expect(readable(await session.get(path))).toContain('No schema is in force')
    const set = await session.send(path, { schema: strict, comment: 'from now on' })
    expect([set.status, set.headers.get('Location')]).toEqual([303, path])
    const page = await session.get(path)
    expect(page.html).not.toContain('<script>alert')
    expect(readable(page)).toContain('Set by API_KEY')
    expect(JSON.parse(fieldsOf(page, path).schema ?? '')).toEqual(JSON.parse(strict))
    expect((await controller.deps.store.audit({ limit: 1 })).entries[0]).toMatchObject({ action: 'schema_set', comment: 'from now on' })
  })

  it('400: refuses one that the latest config breaks, unless it is forced', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 11 })
    const session = await ConsoleSession.begin(controller)
    const refused = await session.send(path, { schema: strict, comment: 'kept' })
    expect([refused.status, readable(refused)]).toEqual([400, expect.stringContaining('data.n: must be <= 10')])
    expect(fieldsOf(refused, path)).toMatchObject({ schema: strict, comment: 'kept' })
    expect(controller.deps.schema.stored).toBeUndefined()
    expect((await session.post(path, { ...fieldsOf(refused, path), force: 'true' })).status).toBe(303)
    expect(controller.deps.schema.stored?.schema).toEqual(JSON.parse(strict))
  })

  it.each([
    ['no JSON', '{"type": }', 400, 'body: line 1, column 10'],
    ['no object', '[]', 400, 'body: expected a JSON object'],
    ['a key given twice', '{"type": "object", "type": "array"}', 400, 'type: this key is given twice'],
    ['no JSON Schema', '{"type": "thing"}', 400, 'INVALID_SCHEMA'],
    ['one that is too large', JSON.stringify({ description: 'x'.repeat(300_000) }), 413, 'at most 262144 are allowed'],
  ])('%s is refused, and kept in the form', async (_what, schema, status, said) => {
    await using controller = await TestController.open()
    const session = await ConsoleSession.begin(controller)
    const page = await session.send(path, { schema })
    expect([page.status, readable(page)]).toEqual([status, expect.stringContaining(said)])
    expect(fieldsOf(page, path).schema).toBe(schema)
    expect(controller.deps.schema.stored).toBeUndefined()
  })

  it('deletes it after it has asked', async () => {
    await using controller = await TestController.open()
    const session = await ConsoleSession.begin(controller)
    expect((await session.get(`${path}/delete`)).status).toBe(404)
    await session.send(path, { schema: strict })
    const asked = await session.get(`${path}/delete`)
    expect(asked.status).toBe(200)
    expect(controller.deps.schema.stored).toBeDefined()
    const fields = fieldsOf(asked, `${path}/delete`)
    expect((await session.post(`${path}/delete`, { ...fields, csrf: 'x' })).status).toBe(403)
    expect((await session.post(`${path}/delete`, { ...fields, comment: 'x'.repeat(1001) })).status).toBe(400)
    expect((await session.post(`${path}/delete`, { ...fields, comment: 'no more' })).headers.get('Location')).toBe(path)
    expect(controller.deps.schema.stored).toBeUndefined()
    expect((await session.post(`${path}/delete`, fields)).status).toBe(404)
  })

  it('403: a publisher sees it, and neither sets nor deletes it', async () => {
    await using controller = await TestController.open()
    const admin = await ConsoleSession.begin(controller)
    await admin.send(path, { schema: strict })
    const { key } = await controller.makeKey({ name: 'ops', role: 'publisher' })
    const session = await ConsoleSession.begin(controller, key)
    const page = await session.get(path)
    expect(page.status).toBe(200)
    expect(page.html).not.toContain(`action="${path}"`)
    expect(page.html).not.toContain(`${path}/delete`)
    const { csrf = '' } = fieldsOf(page, '/console/logout')
    expect((await session.post(path, { csrf, schema: '{}' })).status).toBe(403)
    expect((await session.get(`${path}/delete`)).status).toBe(403)
    expect((await session.post(`${path}/delete`, { csrf })).status).toBe(403)
    expect(controller.deps.schema.stored?.schema).toEqual(JSON.parse(strict))
  })
})
