import { describe, expect, it } from 'vitest'
import { ConsoleSession, readable } from '#test/_support/console-session.ts'
import { TestController } from '#test/_support/controller.ts'

const evil = '<script>alert(1)</script>'

async function withVersions() {
  const controller = await TestController.open()
  await controller.request('/config', { body: { data: { url: 'http://a.example/1', n: 1 }, comment: evil, author: `${evil}author` } })
  await controller.request('/config', { body: { data: { url: 'http://a.example/2', n: 1, note: evil }, poll_interval_seconds: 10 } })
  return controller
}

describe('the configs of the console', () => {
  it('200: show the history with who, when and why, and markup as text', async () => {
    await using controller = await withVersions()
    const page = await (await ConsoleSession.begin(controller)).get('/console/configs')
    expect(page.status).toBe(200)
    expect(page.html).not.toContain('<script>alert')
    expect(readable(page)).toContain(`${evil}author (key API_KEY)`)
    expect(page.html).toContain('/console/configs/compare?from=1&amp;to=2')
    expect(page.html).toContain('/console/rollback/1')
    expect(page.html).not.toContain('/console/rollback/2')
    expect(page.headers.get('Cache-Control')).toBe('no-store')
  })

  it('200: pages by the version before, and says what to do where there is none', async () => {
    await using controller = await TestController.open()
    const session = await ConsoleSession.begin(controller)
    expect(readable(await session.get('/console/configs'))).toContain('No config is published yet. Publish the first one')
    for (let n = 1; n <= 51; n++) await controller.publish({ n })
    expect((await session.get('/console/configs')).html).toContain('href="/console/configs?before=2"')
    const last = await session.get('/console/configs?before=2')
    expect(last.html).toContain('href="/console/configs/1"')
    expect(last.html).not.toContain('rel="next"')
    expect((await session.get('/console/configs?before=x')).status).toBe(400)
  })

  it('200: shows a version, the way to the one before, and the place of its convergence where it is the latest', async () => {
    await using controller = await withVersions()
    const session = await ConsoleSession.begin(controller)
    const latest = await session.get('/console/configs/2')
    expect(latest.html).toContain('<h2 id="convergence"')
    expect(latest.html).toContain('href="/console/rollback/1"')
    expect(latest.html).not.toContain('<script>alert')
    expect(readable(latest)).toContain(`"note": "${evil}"`)
    const first = await session.get('/console/configs/1')
    expect(first.html).not.toContain('id="convergence"')
    expect(readable(first)).toContain('Roll back to 1')
    expect((await session.get('/console/configs/3')).status).toBe(404)
    expect((await session.get('/console/configs/seven')).status).toBe(404)
  })

  it('200: compares any two, with signs and words beside the colours', async () => {
    await using controller = await withVersions()
    const session = await ConsoleSession.begin(controller)
    const page = await session.get('/console/configs/compare?from=1&to=2')
    expect(page.html).not.toContain('<script>alert')
    const text = readable(page)
    expect(text).toContain('− 2 lines removed · + 3 lines added')
    expect(text).toContain('removed: 4 − "url": "http://a.example/1"')
    expect(text).toContain(`added: 4 + "note": "${evil}",`)
    expect(text).toContain('~ poll_interval_seconds: 30 -> 10')
    expect(readable(await session.get('/console/configs/compare?from=2&to=2'))).toContain('Nothing differs')
  })

  it('400 and 404: say which version of a comparison is wrong', async () => {
    await using controller = await withVersions()
    const session = await ConsoleSession.begin(controller)
    const wrong = await session.get('/console/configs/compare?from=x&to=2')
    expect([wrong.status, wrong.html]).toEqual([400, expect.stringContaining('query.from')])
    expect((await session.get('/console/configs/compare?from=1')).status).toBe(400)
    const missing = await session.get('/console/configs/compare?from=1&to=7')
    expect([missing.status, missing.html]).toEqual([404, expect.stringContaining('there is no version 7')])
  })

  it('shows the command and the request that do the same', async () => {
    await using controller = await withVersions()
    const page = await (await ConsoleSession.begin(controller)).get('/console/configs/compare?from=1&to=2')
    expect(readable(page)).toContain('dcm diff 1 2')
    expect(readable(page)).toContain('/configs/diff?from=1&to=2')
  })
})
