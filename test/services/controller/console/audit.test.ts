import { describe, expect, it } from 'vitest'
import { ConsoleSession, readable } from '#test/_support/console-session.ts'
import { TestController } from '#test/_support/controller.ts'
import { tamper } from '#test/_support/tampered.ts'

const path = '/console/audit'
const evil = '<script>alert(1)</script>'

async function opened() {
  const controller = await TestController.open()
  await controller.request('/config', { body: { data: { n: 1 }, comment: evil } })
  await controller.makeKey({ name: 'ops', role: 'publisher' })
  return { controller, session: await ConsoleSession.begin(controller), [Symbol.asyncDispose]: () => controller[Symbol.asyncDispose]() }
}

describe('the audit of the console', () => {
  it('shows who changed what, the newest first, and that the chain is intact', async () => {
    await using at = await opened()
    const page = await at.session.get(path)
    expect(page.status).toBe(200)
    expect(page.html).not.toContain('<script>alert')
    const text = readable(page)
    const { head } = await at.controller.deps.store.audit({ limit: 1 })
    expect(text).toContain(`intact up to entry 2, head hash ${head.hash}`)
    expect(text).toContain(evil)
    expect(text.indexOf('key made')).toBeLessThan(text.lastIndexOf('publish'))
    expect(text).toContain('dcm audit verify')
  })

  it('filters by who, what and when, and says so where nothing is like that', async () => {
    await using at = await opened()
    const rows = async (query: string) => [...(await at.session.get(`${path}?${query}`)).html.matchAll(/<th scope="row">(\d+)<\/th>/g)].map(([, seq]) => seq)
    const today = new Date().toISOString().slice(0, 10)
    expect(await rows('action=publish')).toEqual(['1'])
    expect(await rows('actor=API_KEY&action=&since=&until=')).toEqual(['2', '1'])
    expect(await rows('actor=ops')).toEqual([])
    expect(await rows('until=2001-01-01')).toEqual([])
    expect(await rows(`since=2001-01-01&until=${today}`)).toEqual(['2', '1'])
    expect(await rows('since=2099-01-01')).toEqual([])
    expect(readable(await at.session.get(`${path}?actor=${encodeURIComponent(evil)}`))).toContain('No entry is like that')
    expect((await at.session.get(`${path}?actor=${encodeURIComponent(evil)}`)).html).not.toContain('<script>alert')
    for (const wrong of ['action=dance', 'since=yesterday', 'until=2001-13-01', 'before=x']) expect((await at.session.get(`${path}?${wrong}`)).status).toBe(400)
    expect(readable(await at.session.get(`${path}?actor=ops&since=2026-01-01`))).toContain('dcm audit --limit 50 --actor ops --since 2026-01-01T00:00:00.000Z')
  })

  it('pages by the entry before, and keeps the filter', async () => {
    await using controller = await TestController.open()
    for (let n = 1; n <= 51; n++) await controller.publish({ n })
    const session = await ConsoleSession.begin(controller)
    const page = await session.get(`${path}?actor=API_KEY`)
    expect(page.html).toContain(`href="${path}?actor=API_KEY&amp;before=2"`)
    const last = await session.get(`${path}?actor=API_KEY&before=2`)
    expect([last.html.match(/<th scope="row">/g)?.length, last.html.includes('rel="next"')]).toEqual([1, false])
  })

  it('finds what is rare, however many entries lie before it, up to a bound', async () => {
    await using controller = await TestController.open()
    tamper(
      controller.deps.config.dbPath,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 210000)
       INSERT INTO audit_entries SELECT i, '2020-01-01T00:00:00.000Z', 'publish', 'k', CASE WHEN i IN (5, 20000) THEN 'rare' ELSE 'old' END, 'a', 'r', NULL, 1, 1, NULL, 'p', 'h' FROM n`,
    )
    const session = await ConsoleSession.begin(controller)
    const page = await session.get(`${path}?actor=rare`)
    expect([page.html.includes('<th scope="row">20000</th>'), page.html.includes('<th scope="row">5</th>')]).toEqual([true, false])
    expect(page.html).toContain('actor=rare&amp;before=10001')
    expect(readable(await session.get(`${path}?actor=nobody`))).toContain('None among the newest, down to entry 10001')
  })

  it('says where the chain breaks', async () => {
    await using at = await opened()
    tamper(at.controller.deps.config.dbPath, `UPDATE audit_entries SET comment = 'nothing' WHERE seq = 1`)
    const page = await at.session.get(path)
    expect(readable(page)).toContain('edit: entry 1 was altered')
    expect(page.html).not.toContain('intact')
  })

  it('checks anew what was added, and gives the part that asks again by itself', async () => {
    await using at = await opened()
    expect(readable(await at.session.get(path))).toContain('intact up to entry 2')
    await at.controller.publish({ n: 2 })
    expect(readable(await at.session.get(path))).toContain('intact up to entry 3')
    const part = await at.session.get(`${path}/chain`)
    expect([part.status, part.html.startsWith('<p id="chain"')]).toEqual([200, true])
  })

  it('403: a publisher does not read it', async () => {
    await using at = await opened()
    const { key } = await at.controller.makeKey({ name: 'dev', role: 'publisher' })
    const session = await ConsoleSession.begin(at.controller, key)
    for (const page of [path, `${path}/chain`]) expect((await session.get(page)).status).toBe(403)
  })
})
