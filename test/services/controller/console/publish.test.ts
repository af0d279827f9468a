import { describe, expect, it } from 'vitest'
import { ConsoleSession, fieldsOf, readable } from '#test/_support/console-session.ts'
import { TestController } from '#test/_support/controller.ts'

const path = '/console/publish'
const evil = '</textarea><script>alert(1)</script>'
const first = { url: 'http://a.example/1', n: 1 }
const text = (data: object) => JSON.stringify(data, null, 2)

async function opened() {
  const controller = await TestController.open()
  await controller.publish(first)
  return { controller, session: await ConsoleSession.begin(controller), [Symbol.asyncDispose]: () => controller[Symbol.asyncDispose]() }
}
const latest = async (controller: TestController) => (await controller.deps.store.latest())?.version

describe('publishing from the console', () => {
  it('begins with the latest data, or with that of another version', async () => {
    await using at = await opened()
    await at.controller.publish({ n: 2, note: evil })
    const page = await at.session.get(path)
    expect(page.html).not.toContain('<script>alert')
    expect(fieldsOf(page, path)).toMatchObject({ data: text({ n: 2, note: evil }), poll_interval_seconds: '30', base: '2', comment: '' })
    expect(fieldsOf(await at.session.get(`${path}?from=1`), path)).toMatchObject({ data: text(first), base: '2' })
    expect((await at.session.get(`${path}?from=9`)).status).toBe(404)
    expect((await at.session.get(`${path}?from=x`)).status).toBe(400)
  })

  it('200: previews the difference and whom it reaches, and publishes nothing', async () => {
    await using at = await opened()
    const page = await at.session.send(path, { data: text({ ...first, n: 2, note: evil }), comment: `${evil}why`, step: 'preview' })
    expect(page.status).toBe(200)
    expect(page.html).not.toContain('<script>alert')
    expect(readable(page)).toContain('removed: 3 − "n": 1')
    expect(readable(page)).toContain('added: 3 + "n": 2')
    expect(readable(page)).toContain('No agent is online')
    expect(readable(page)).toContain(`Comment: ${evil}why`)
    expect(await latest(at.controller)).toBe(1)
    const back = await at.session.post(path, { ...fieldsOf(page, path), step: 'edit' })
    expect(fieldsOf(back, path)).toMatchObject({ data: text({ ...first, n: 2, note: evil }), base: '1' })
  })

  it('303: publishes what was previewed, once however often it is sent', async () => {
    await using at = await opened()
    const preview = await at.session.send(path, { data: text({ n: 2 }), poll_interval_seconds: '7', comment: 'why' })
    const fields = { ...fieldsOf(preview, path), step: 'publish' }
    const answers = [...(await Promise.all([at.session.post(path, fields), at.session.post(path, fields)])), await at.session.post(path, fields)]
    for (const answer of answers) expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/console/configs/2'])
    const { entries } = await at.controller.deps.store.history({ limit: 10, data: true })
    expect(entries.length).toBe(2)
    expect(entries[0]).toMatchObject({ data: { n: 2 }, poll_interval_seconds: 7, comment: 'why', published_by: 'API_KEY' })
  })

  it('303: publishes the first version', async () => {
    await using controller = await TestController.open()
    const session = await ConsoleSession.begin(controller)
    const preview = await session.send(path, { data: text({ n: 1 }) })
    expect(readable(preview)).toContain('Publish version 1?')
    expect((await session.post(path, { ...fieldsOf(preview, path), step: 'publish' })).headers.get('Location')).toBe('/console/configs/1')
  })

  it('412: shows what changed meanwhile, keeps what was written, and goes on from there', async () => {
    await using at = await opened()
    const mine = text({ ...first, mine: true })
    const preview = await at.session.send(path, { data: mine, comment: 'mine' })
    await at.controller.request('/config', { body: { data: { ...first, theirs: evil }, comment: `${evil}theirs` } })
    const conflict = await at.session.post(path, { ...fieldsOf(preview, path), step: 'publish' })
    expect(conflict.status).toBe(412)
    expect(conflict.headers.get('ETag')).toBe('"2"')
    expect(conflict.html).not.toContain('<script>alert')
    expect(readable(conflict)).toContain('you began with version 1, and version 2 is the latest now')
    expect(readable(conflict)).toContain(`${evil}theirs`)
    expect(readable(conflict)).toContain(`added: 4 + "theirs": "${evil}"`)
    expect(fieldsOf(conflict, path)).toMatchObject({ data: mine, comment: 'mine', base: '2' })
    expect(await latest(at.controller)).toBe(2)
    const again = await at.session.post(path, { ...fieldsOf(conflict, path), step: 'preview' })
    expect(readable(again)).toContain('removed: 4 − "theirs"')
    expect((await at.session.post(path, { ...fieldsOf(again, path), step: 'publish' })).headers.get('Location')).toBe('/console/configs/3')
  })

  it('412: at the preview too, and where the version one began with is there no more', async () => {
    await using at = await opened()
    const fields = fieldsOf(await at.session.get(path), path)
    const gone = await at.session.post(path, { ...fields, base: '5' })
    expect([gone.status, fieldsOf(gone, path).base]).toEqual([412, '1'])
    expect(readable(gone)).toContain('the database was put back to an older state')
    await at.controller.publish({ n: 2 })
    expect((await at.session.post(path, fields)).status).toBe(412)
  })

  it('200 and 400: names what breaks the schema field by field, and does not publish it', async () => {
    await using at = await opened()
    await at.controller.request('/config/schema', { method: 'PUT', body: { properties: { n: { maximum: 10 }, url: { type: 'string' } } } })
    const preview = await at.session.send(path, { data: text({ ...first, n: 11 }) })
    expect([preview.status, readable(preview)]).toEqual([200, expect.stringContaining('data.n: must be <= 10')])
    expect(preview.html).not.toContain('value="publish"')
    const refused = await at.session.post(path, { ...fieldsOf(preview, path), step: 'publish' })
    expect([refused.status, readable(refused)]).toEqual([400, expect.stringContaining('data.n: must be <= 10')])
    expect(fieldsOf(refused, path).data).toBe(text({ ...first, n: 11 }))
    expect(await latest(at.controller)).toBe(1)
  })

  it.each([
    ['a comma too many, with its place', { data: '{\n  "n": 1,\n}' }, 'data: line 3, column 1: no comma may stand before }'],
    ['nothing', { data: ' ' }, 'data: expected a JSON object, got nothing'],
    ['an array', { data: '[1]' }, 'data: expected a JSON object'],
    ['a key that is given twice', { data: '{"a": {"n": 1, "n": 2}}' }, 'data.a.n: this key is given twice'],
    ['a number that a double cannot hold', { data: '{"n": 12345678901234567890}' }, 'data.n: integer 12345678901234567890'],
    ['what tries to be another part of the request', { data: '{}, "comment": {}' }, 'data: line 1, column 3'],
    ['a url that no worker could use', { data: '{"url": "ftp://a"}' }, 'data.url: expected an absolute http: or https: URL'],
    ['an interval that is none', { poll_interval_seconds: 'soon' }, 'poll_interval_seconds: expected a whole number of seconds'],
    ['an interval of more than a day', { poll_interval_seconds: '86401' }, 'poll_interval_seconds: expected at most 86400 seconds'],
    ['a comment that is too long', { comment: 'x'.repeat(1001) }, 'comment: '],
  ])('400: refuses %s, and keeps what was written', async (_what, fields, said) => {
    await using at = await opened()
    for (const step of ['preview', 'publish']) {
      const page = await at.session.send(path, { data: text({ n: 2 }), ...fields, step })
      expect([page.status, readable(page)]).toEqual([400, expect.stringContaining(said)])
      expect(fieldsOf(page, path)).toMatchObject({ ...fields, ...('data' in fields ? {} : { data: text({ n: 2 }) }) })
    }
    expect(await latest(at.controller)).toBe(1)
  })

  it('takes JSON as deep as the API does, and no deeper', async () => {
    await using at = await opened()
    const deep = (levels: number) => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`
    for (const levels of [62, 63]) {
      const api = await at.controller.request('/config?dry_run=true', { body: `{"data":${deep(levels)}}` })
      expect((await at.session.send(path, { data: deep(levels) })).status).toBe(api.status)
    }
  })

  it('413: says that a config is too large, and keeps it', async () => {
    await using controller = await TestController.open({ env: { MAX_CONFIG_BYTES: '2000' } })
    const session = await ConsoleSession.begin(controller)
    const data = text({ a: 'x'.repeat(3000) })
    const page = await session.send(path, { data })
    expect([page.status, readable(page)]).toEqual([413, expect.stringContaining('at most 2000 are allowed')])
    expect(fieldsOf(page, path).data).toBe(data)
    expect((await session.send(path, { data: 'x'.repeat(500_000) })).status).toBe(413)
  })

  it('409: a form that was published once and then changed is no repeat', async () => {
    await using at = await opened()
    const fields: Record<string, string> = { ...fieldsOf(await at.session.get(path), path), step: 'publish', data: text({ n: 2 }) }
    expect((await at.session.post(path, fields)).status).toBe(303)
    const other = await at.session.post(path, { ...fields, data: text({ n: 3 }) })
    expect(other.status).toBe(409)
    expect(fieldsOf(other, path).form_key).not.toBe(fields.form_key)
    expect(fieldsOf(other, path).data).toBe(text({ n: 3 }))
    expect(await latest(at.controller)).toBe(2)
  })

  it('403: without the token of the session; 400: without what the form carries', async () => {
    await using at = await opened()
    const fields = { ...fieldsOf(await at.session.get(path), path), step: 'publish' }
    for (const csrf of ['', 'x', 'é']) expect((await at.session.post(path, { ...fields, csrf })).status).toBe(403)
    for (const [name, value] of [
      ['base', ''],
      ['base', '-1'],
      ['form_key', ''],
      ['form_key', 'a b'],
    ] as const)
      expect((await at.session.post(path, { ...fields, [name]: value })).status).toBe(400)
    expect(await latest(at.controller)).toBe(1)
  })

  it('lets a publisher publish', async () => {
    await using at = await opened()
    const { key } = await at.controller.makeKey({ name: 'ops', role: 'publisher' })
    const session = await ConsoleSession.begin(at.controller, key)
    const preview = await session.send(path, { data: text({ n: 2 }) })
    expect((await session.post(path, { ...fieldsOf(preview, path), step: 'publish' })).status).toBe(303)
    expect((await at.controller.deps.store.history({ limit: 1, data: false })).entries[0]).toMatchObject({ published_by: 'ops' })
  })
})
