import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestBrowser } from '#test/_support/browser.ts'
import { FleetProcesses } from '#test/_support/fleet-processes.ts'
import { StubServer } from '#test/_support/stub-server.ts'

let browser: TestBrowser
let target: StubServer
let fleet: FleetProcesses
beforeAll(async () => {
  browser = await TestBrowser.launch()
  target = await StubServer.open((_request, response) => void response.setHeader('Content-Type', 'application/json').end('{"hello":"world"}'))
  // The third host's worker takes no large config.
  fleet = await FleetProcesses.start({ hosts: [{}, {}, { MAX_CONFIG_BYTES: '1024' }] })
}, 90_000)
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]()
  await target?.[Symbol.asyncDispose]()
  await browser?.[Symbol.asyncDispose]()
})

describe('somebody with the address and a key', { timeout: 90_000 }, () => {
  it('publishes with the diff before their eyes, watches it come to the fleet, finds the one that refused it, and goes back', async () => {
    await using visitor = await browser.visit(fleet.url)
    const { page } = visitor
    await page.goto(`${fleet.url}/`)
    await visitor.login()
    await visitor.says(/Nothing was published yet/)
    await visitor.says(/Agents online\s+3\s+of 3/)

    /** Types data, looks at the preview, and publishes. */
    const publish = async (data: object, comment: string) => {
      await page.getByRole('link', { name: 'Publish', exact: true }).click()
      await page.getByLabel(/^Data/).fill(JSON.stringify(data, undefined, 2))
      await page.getByLabel(/^Comment/).fill(comment)
      await page.getByRole('button', { name: 'Preview' }).click()
      await page.getByRole('button', { name: /Publish version/ }).click()
    }

    await publish({ url: `${target.url}/a` }, 'the first one')
    expect(page.url()).toBe(`${fleet.url}/console/configs/1`)
    await visitor.says(/Converged\s+100%/)

    // One that is too large for the third host.
    await publish({ url: `${target.url}/b`, note: 'x'.repeat(80_000) }, 'a large note')
    expect(page.url()).toBe(`${fleet.url}/console/configs/2`)
    await visitor.says(/failed\s+1/)
    await visitor.says(/Converged\s+66\.7%/)
    await page.getByRole('link', { name: 'Overview' }).click()
    await visitor.says(/Needs attention/)
    await visitor.says(/failed web-03: answered 413/)
    expect(await page.locator('dcm-chart canvas').count()).toBe(1)
    await page.getByRole('link', { name: 'web-03' }).first().click()
    await visitor.says(/Its worker refused version 2/)
    await visitor.says(/2\s+✕ failed/)
    await visitor.says(/1\s+✓ applied/)

    await page.getByRole('link', { name: 'Configs' }).click()
    await page
      .getByRole('link', { name: 'Version 2', exact: true })
      .or(page.getByRole('link', { name: '2', exact: true }))
      .first()
      .click()
    await page.getByRole('link', { name: 'Roll back to 1' }).click()
    expect(await page.locator('.diff-removed').first().innerText()).toContain('"note"')
    await page.getByLabel(/^Comment/).fill('too large for web-03')
    await page.getByRole('button', { name: 'Roll back to 1' }).click()
    expect(page.url()).toBe(`${fleet.url}/console/configs/3`)
    await visitor.says(/Converged\s+100%/)
    await visitor.says(/Brought back\s+version 1/)
    await page.getByRole('link', { name: 'Overview' }).click()
    await visitor.says(/Applied the latest\s+100%/)
    visitor.checkQuiet()
  })

  it('tries a hit, and sees its result arrive', async () => {
    await using visitor = await browser.visit(fleet.url)
    const { page } = visitor
    await fleet.publish({ url: `${target.url}/hit` })
    await visitor.login()
    await page.getByRole('link', { name: 'Hits', exact: true }).click()
    await page.getByRole('button', { name: 'Try one hit' }).click()
    await visitor.says(/State\s+✓ completed/)
    await visitor.says(/waited for the answer/)
    await visitor.says(/content-type\s+application\/json/)
    await visitor.says(/"hello": "world"/)
    await page.getByRole('link', { name: 'Hits', exact: true }).click()
    await page.getByRole('button', { name: /^Pause/ }).click()
    await visitor.says(/Paused: no hit begins/)
    await page.getByRole('button', { name: 'Try one hit' }).click()
    await visitor.says(/It has not ended yet/)
    const waiting = page.url()
    await page.getByRole('link', { name: 'Hits', exact: true }).click()
    await page.getByRole('button', { name: /^Resume/ }).click()
    await page.goto(waiting)
    await visitor.says(/State\s+✓ completed/)
    visitor.checkQuiet()
  })

  it('is told what changed meanwhile where a colleague was faster, keeps what they wrote, and goes on from there', async () => {
    await using one = await browser.visit(fleet.url)
    await using other = await browser.visit(fleet.url)
    const versions: number[] = []
    for (const [visitor, comment] of [
      [one, 'one'],
      [other, 'other'],
    ] as const) {
      await visitor.login()
      await visitor.open('/publish')
      const field = visitor.page.getByLabel(/^Data/)
      const data: unknown = JSON.parse(await field.inputValue())
      await field.fill(JSON.stringify(Object.assign({}, data, { [comment]: true })))
      await visitor.page.getByRole('button', { name: 'Preview' }).click()
      await visitor.page.getByRole('button', { name: /Publish version/ }).waitFor()
    }
    await one.page.getByRole('button', { name: /Publish version/ }).click()
    await one.page.waitForURL(/configs\/\d+$/)
    versions.push(Number(one.page.url().split('/').at(-1)))
    await other.page.getByRole('button', { name: /Publish version/ }).click()
    await other.says(/What changed meanwhile/)
    expect(await other.page.locator('.diff').first().locator('.diff-added').allInnerTexts()).toEqual([expect.stringContaining('"one": true')])
    expect(await other.page.getByLabel(/^Data/).inputValue()).toContain('"other":true')
    await other.page.getByRole('button', { name: 'Preview' }).click()
    await other.page.getByRole('button', { name: /Publish version/ }).click()
    await other.page.waitForURL(/configs\/\d+$/)
    versions.push(Number(other.page.url().split('/').at(-1)))
    expect(versions[1]).toBe((versions[0] ?? 0) + 1)
    one.checkQuiet()
    // A refusal is a 412, which the browser notes by itself.
    expect(other.complaints).toEqual([expect.stringContaining('412')])
  })

  it('reads all of it without JavaScript, and publishes', async () => {
    await using visitor = await browser.visit(fleet.url, { javaScriptEnabled: false })
    const { page } = visitor
    await visitor.login()
    for (const [path, text] of [
      ['', /Latest version/],
      ['/agents', /web-01/],
      ['/agents?q=web-02', /1 agent/],
      ['/configs', /the first one/],
      ['/configs/2', /"note"/],
      ['/configs/compare?from=1&to=2', /"note"/],
      ['/hits', /Completed/],
      ['/keys', /Make a key/],
      ['/audit', /intact/],
    ] as const) {
      await visitor.open(path)
      expect(await visitor.text()).toMatch(text)
    }
    await visitor.open('/publish')
    await page.getByLabel(/^Data/).fill('{"url": "http://127.0.0.1:9/", "plain": true}')
    await page.getByRole('button', { name: 'Preview' }).click()
    await page.getByRole('button', { name: /Publish version/ }).click()
    expect(await visitor.text()).toContain('"plain": true')
    visitor.checkQuiet()
  })
})
