import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { ConfigSchema } from '#lib/contract/config.ts'
import { HitResultSchema } from '#lib/contract/hit.ts'
import { TestBrowser } from '#test/_support/browser.ts'
import { FleetProcesses } from '#test/_support/fleet-processes.ts'
import { StubServer } from '#test/_support/stub-server.ts'

/** What would run, or would be an element, where it were taken for more than text; each place has a name of its own. */
const hostile = (place: string): string => `<img src=x onerror="document.title='pwned'"><b class="pwned">${place}</b>'"\`]]>&lt;{{7*7}}<!--`

let browser: TestBrowser
let target: StubServer
let fleet: FleetProcesses
beforeAll(async () => {
  browser = await TestBrowser.launch()
  target = await StubServer.open((_request, response) => {
    response.setHeader('X-Said', hostile('header')).setHeader('Content-Type', 'text/html')
    response.end(`<script>document.title = 'pwned'</script>${hostile('body')}`)
  })
  fleet = await FleetProcesses.start({ hosts: [{}] })
}, 60_000)
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]()
  await target?.[Symbol.asyncDispose]()
  await browser?.[Symbol.asyncDispose]()
})

test('whatever an agent, a publisher or a target says is text in every view', { timeout: 90_000 }, async () => {
  const client = fleet.client()
  const data = { url: `${target.url}/?<b>`, [hostile('key')]: hostile('value') }
  for (const n of [1, 2]) {
    const json = { data: { ...data, n }, comment: hostile('comment'), author: hostile('author').slice(0, 200) }
    expect((await client.config.$post({ query: {}, header: {}, json })).status).toBe(201)
  }
  const registered = await client.register.$post({
    json: {
      hostname: hostile('hostname').slice(0, 255),
      ip_address: hostile('address').slice(0, 255),
      port: 1,
      labels: { [`<b>${'l'}</b>`]: hostile('label') },
      agent_version: '<b class="pwned">',
    },
  })
  const { agent_id } = RegisterResponseSchema.parse(((await registered.json()) as { data: unknown }).data)
  expect((await client.agents[':id'].report.$post({ param: { id: agent_id }, json: { version: 2, state: 'failed', error: hostile('error') } })).status).toBe(
    200,
  )
  await client.config.schema.$put({ query: { comment: hostile('schema comment') }, json: { description: hostile('schema') } })
  const worker = `http://127.0.0.1:${fleet.workerPorts[0]}`
  await vi.waitFor(async () => expect(await fleet.get('/config', ConfigSchema, worker)).toMatchObject({ version: 2 }), { timeout: 20_000, interval: 20 })
  const hit = await fleet.get('/hit?wait=10', HitResultSchema, worker)

  await using visitor = await browser.visit(fleet.url)
  const { page } = visitor
  page.on('dialog', (dialog) => {
    visitor.complaints.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await visitor.login()
  for (const [path, ...places] of [
    ['', 'hostname', 'error', 'comment'],
    ['/agents', 'hostname', 'error'],
    [`/agents?q=${encodeURIComponent(hostile('q').slice(0, 80))}`, 'q'],
    [`/agents/${agent_id}`, 'hostname', 'label', 'error'],
    ['/configs', 'comment', 'author'],
    ['/configs/2', 'key', 'value', 'comment'],
    ['/configs/compare?from=1&to=2', 'key', 'value'],
    ['/publish', 'key', 'value'],
    ['/rollback/1', 'key', 'value'],
    ['/schema', 'schema'],
    [`/hits/${hit.task_id}`, 'body', 'header'],
    ['/hits'],
    ['/audit', 'comment', 'schema comment'],
    [`/login?next=${encodeURIComponent('/console/"><b class="pwned">')}`],
    [`/${encodeURIComponent('<b class="pwned">nowhere</b>')}`],
  ] as const) {
    await visitor.open(path)
    // A live part is shown a second time, by a script.
    const isLive = (await page.locator('[hx-sse\\:connect]').count()) > 0
    if (isLive) await page.locator('html[data-live="shown"]').waitFor()
    const fields = await page.locator('textarea, input').evaluateAll((all) => all.map((field) => ('value' in field ? String(field.value) : '')))
    const seen = `${await visitor.text()} ${fields.join(' ')}`
    for (const place of places) expect([path, seen.replaceAll('\\"', '"').includes(`>${place}</b>`)]).toEqual([path, true])
    expect([path, await page.locator('.pwned').count(), await page.title()]).toEqual([path, 0, expect.not.stringMatching(/^pwned/)])
  }
  expect(visitor.complaints.filter((one) => !one.includes('404'))).toEqual([])
})
