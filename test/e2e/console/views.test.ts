import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { HitResultSchema } from '#lib/contract/hit.ts'
import { AgentsPageSchema } from '#lib/contract/inventory.ts'
import { looks, TestBrowser, type Visitor } from '#test/_support/browser.ts'
import { FleetProcesses } from '#test/_support/fleet-processes.ts'
import { StubServer } from '#test/_support/stub-server.ts'

/** Where pictures of the views are put, as docs/console is; undefined: none are made. */
const pictures = process.env.CONSOLE_PICTURES

const soon = { timeout: 20_000, interval: 20 }

let browser: TestBrowser
let target: StubServer
let fleet: FleetProcesses
/** The views: what each is called, where it is, and what it says when it is there. */
let views: readonly { readonly name: string; readonly path: string; readonly says: RegExp; readonly goOn?: (visitor: Visitor) => Promise<void> }[]

beforeAll(async () => {
  browser = await TestBrowser.launch()
  target = await StubServer.open((request, response) => {
    response.statusCode = request.path === '/ping' ? 200 : 503
    response.setHeader('Content-Type', 'application/json').end('{"service":"shop","state":"ready"}')
  })
  fleet = await FleetProcesses.start({ hosts: [{}, {}, { MAX_CONFIG_BYTES: '1024' }] })
  const client = fleet.client()
  const states = async () => (await fleet.get('/status', FleetStatusSchema)).agents
  await vi.waitFor(async () => expect(await states()).toMatchObject({ online: 3 }), soon)
  await fleet.publish({ url: `${target.url}/ping`, feature: { checkout: 'old' } }, 'the first one')
  await fleet.publish({ url: `${target.url}/ping`, feature: { checkout: 'new', share: 0.1 } }, 'new checkout for a tenth')
  await vi.waitFor(async () => expect((await states()).by_version).toEqual({ 2: 3 }), soon)
  const worker = `http://127.0.0.1:${fleet.workerPorts[0]}`
  const hits = await Promise.all(Array.from({ length: 12 }, () => fleet.get('/hit?wait=10', HitResultSchema, worker)))
  await fleet.publish({ url: `${target.url}/ping`, feature: { checkout: 'new', share: 1 }, note: 'x'.repeat(80_000) }, 'new checkout for all')
  await client.keys.$post({ json: { name: 'web-01', role: 'agent' } })
  await client.config.schema.$put({ query: {}, json: { type: 'object', required: ['url'], properties: { feature: { type: 'object' } } } })
  await vi.waitFor(async () => expect((await states()).by_state).toEqual({ applied: 2, failed: 1 }), soon)
  const { agents } = await fleet.get('/agents?state=failed', AgentsPageSchema)
  views = [
    { name: 'overview', path: '', says: /Needs attention/ },
    { name: 'agents', path: '/agents?sort=hostname', says: /3 agents/ },
    { name: 'agent', path: `/agents/${agents[0]?.agent_id}`, says: /Its worker refused/ },
    { name: 'configs', path: '/configs', says: /new checkout for a tenth/ },
    { name: 'version', path: '/configs/3', says: /How it comes to the fleet/ },
    { name: 'compare', path: '/configs/compare?from=1&to=2', says: /"share": 0\.1/ },
    {
      name: 'publish',
      path: '/publish',
      says: /Data: a JSON object/,
      goOn: async ({ page }) => {
        await page.getByLabel(/^Data/).fill(JSON.stringify({ url: `${target.url}/ping`, feature: { checkout: 'new', share: 0.5 } }, undefined, 2))
        await page.getByRole('button', { name: 'Preview' }).click()
        await page.getByRole('button', { name: /Publish version/ }).waitFor()
      },
    },
    { name: 'rollback', path: '/rollback/2', says: /What going back changes/ },
    { name: 'schema', path: '/schema', says: /In force/ },
    { name: 'hits', path: '/hits', says: /Completed\s+12/ },
    { name: 'hit', path: `/hits/${hits[0]?.task_id}`, says: /"service": "shop"/ },
    { name: 'keys', path: '/keys', says: /web-01/ },
    { name: 'audit', path: '/audit', says: /intact/ },
  ]
}, 90_000)
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]()
  await target?.[Symbol.asyncDispose]()
  await browser?.[Symbol.asyncDispose]()
})

describe('every view', () => {
  it.each(looks.map((look) => [look.name, look] as const))('is accessible, fits, and complains of nothing: %s', { timeout: 120_000 }, async (name, look) => {
    await using visitor = await browser.visit(fleet.url, { ...look.options, timezoneId: 'UTC', locale: 'en-US' })
    const take = async (view: string) => {
      if (pictures === undefined || !['light', 'dark'].includes(name)) return
      mkdirSync(pictures, { recursive: true })
      await visitor.page.screenshot({ path: join(pictures, `${view}-${name}.png`), fullPage: true })
    }
    await visitor.open('/login')
    await visitor.checkAccessible()
    await take('login')
    await visitor.login()
    for (const view of views) {
      await visitor.open(view.path)
      await visitor.says(view.says)
      await view.goOn?.(visitor)
      await visitor.checkAccessible()
      await take(view.name)
    }
    visitor.checkQuiet()
  })

  it('can be worked through by keys alone', { timeout: 60_000 }, async () => {
    await using visitor = await browser.visit(fleet.url)
    const { page } = visitor
    await visitor.open('')
    // The field of the login has the focus.
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('key')
    await page.keyboard.type('default-api-key')
    await page.keyboard.press('Enter')
    await visitor.says(/Latest version/)
    await page.keyboard.press('Tab')
    const focused = () => page.evaluate('document.activeElement.textContent')
    expect(await focused()).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')
    await page.reload()
    for (let tabs = 0; tabs < 20 && (await focused()) !== 'Agents'; tabs++) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await visitor.says(/3 agents/)
    await page.getByLabel('Host, id or address').focus()
    await page.keyboard.type('web-02')
    await visitor.says(/1 agent\b/)
    await expect.poll(() => page.url()).toContain('q=web-02')
    visitor.checkQuiet()
  })

  it('follows the system, or what was chosen', { timeout: 60_000 }, async () => {
    await using visitor = await browser.visit(fleet.url, { colorScheme: 'dark' })
    const { page } = visitor
    await visitor.login()
    const background = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
    await visitor.says(/Latest version/)
    await page.waitForLoadState()
    const dark = await background()
    await page.getByRole('button', { name: 'Light' }).click()
    await visitor.says(/Latest version/)
    const light = await background()
    expect(light).not.toBe(dark)
    await visitor.open('/agents')
    expect(await background()).toBe(light)
    await page.getByRole('button', { name: 'System' }).click()
    await visitor.says(/3 agents/)
    expect(await background()).toBe(dark)
  })
})
