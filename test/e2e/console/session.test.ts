import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestBrowser } from '#test/_support/browser.ts'
import { FleetProcesses } from '#test/_support/fleet-processes.ts'

let browser: TestBrowser
let fleet: FleetProcesses
beforeAll(async () => {
  browser = await TestBrowser.launch()
  fleet = await FleetProcesses.start({ hosts: [{}] })
  await fleet.publish({ url: 'http://127.0.0.1:9/' })
}, 60_000)
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]()
  await browser?.[Symbol.asyncDispose]()
})

/** Makes a key; gives it with its id. */
async function makeKey(role: 'publisher' | 'admin', expires_at?: string) {
  const answer = await fleet.client().keys.$post({ json: { name: 'ann', role, ...(expires_at === undefined ? {} : { expires_at }) } })
  if (answer.status !== 201) throw new Error(`no key was made: ${answer.status}`)
  return (await answer.json()).data
}

describe('a page that is open', { timeout: 60_000 }, () => {
  it('says that the session is over when its key is revoked, and leads back to the very page after another login', async () => {
    const { id, key } = await makeKey('publisher')
    await using visitor = await browser.visit(fleet.url)
    await visitor.open('/configs/1')
    await visitor.login(key)
    expect(visitor.page.url()).toBe(`${fleet.url}/console/configs/1`)
    await fleet.client().keys[':id'].$delete({ param: { id } })
    await visitor.says(/Your session is over\. Log in again/)
    await visitor.page.getByRole('link', { name: 'Log in again' }).click()
    await visitor.login()
    expect(visitor.page.url()).toBe(`${fleet.url}/console/configs/1`)
    visitor.checkQuiet()
  })

  it('ends with a key that expires', async () => {
    const { key } = await makeKey('publisher', new Date(Date.now() + 3000).toISOString())
    await using visitor = await browser.visit(fleet.url)
    await visitor.login(key)
    await visitor.says(/Your session is over/)
    await visitor.open('/configs')
    await visitor.says(/dcm console/)
  })

  it('says that the connection is lost while the controller is away, and shows what is new when it is back, with the same session', async () => {
    await using visitor = await browser.visit(fleet.url)
    await visitor.login()
    await visitor.says(/Latest version\s+1/)
    await fleet.stopController()
    await visitor.says(/Connection lost: what you see may be old\. Reconnecting/)
    await fleet.startController()
    await fleet.publish({ url: 'http://127.0.0.1:9/', again: true })
    await visitor.says(/Latest version\s+2/)
    await expect.poll(() => visitor.text(), { timeout: 15_000 }).not.toMatch(/Connection lost/)
    await fleet.stopController('SIGKILL')
    await visitor.says(/Connection lost/)
    await fleet.startController()
    await expect.poll(() => visitor.text(), { timeout: 30_000 }).not.toMatch(/Connection lost/)
    // The browser notes each try that failed, and nothing else.
    expect(visitor.complaints.filter((one) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|sse/i.test(one))).toEqual(
      [],
    )
  })

  it('logs out, and no way back in history shows anything', async () => {
    await using visitor = await browser.visit(fleet.url)
    const { page } = visitor
    await visitor.login()
    await visitor.open('/configs')
    await page.getByRole('button', { name: 'Log out' }).click()
    await visitor.says(/dcm console/)
    await page.goBack()
    await visitor.says(/dcm console/)
    expect(await page.context().cookies()).toEqual([])
    visitor.checkQuiet()
  })

  it('keeps no key: not in the address, a cookie that scripts see, or any storage', async () => {
    const { key } = await makeKey('admin')
    await using visitor = await browser.visit(fleet.url)
    const { page } = visitor
    const urls: string[] = []
    page.on('request', (request) => void urls.push(request.url()))
    await visitor.login(key)
    await page.getByRole('link', { name: 'Configs' }).click()
    const seen: unknown = await page.evaluate('JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, location.href])')
    expect(seen).toBe(JSON.stringify(['', {}, {}, `${fleet.url}/console/configs`]))
    expect(urls.filter((url) => url.includes(key))).toEqual([])
    const [cookie] = await page.context().cookies()
    expect(cookie).toMatchObject({ name: `dcm_session_${fleet.port}`, httpOnly: true, sameSite: 'Strict', path: '/console' })
    expect(cookie?.value).not.toContain(key)
    // Nothing came from elsewhere.
    expect(urls.filter((url) => !url.startsWith(`${fleet.url}/`))).toEqual([])
  })

  it('is small: what a first visit loads is below 150 KB', async () => {
    await using visitor = await browser.visit(fleet.url)
    const client = await visitor.page.context().newCDPSession(visitor.page)
    await client.send('Network.enable')
    let bytes = 0
    client.on('Network.loadingFinished', ({ encodedDataLength }) => {
      bytes += encodedDataLength
    })
    await visitor.login()
    await visitor.says(/Latest version/)
    expect(bytes).toBeGreaterThan(20_000)
    expect(bytes).toBeLessThan(150_000)
  })
})
