import { expect } from 'vitest'
import { TEST_KEY, type TestController } from './controller.ts'

/** Text as it stands in HTML. */
const unescaped = (html: string): string =>
  html.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')

/** What a page said. */
export interface ConsolePage {
  readonly status: number
  readonly headers: Headers
  readonly html: string
  /** What a reader sees: without tags, with entities as what they stand for. */
  readonly text: string
}

const pageOf = async (response: Response): Promise<ConsolePage> => {
  const html = await response.text()
  return { status: response.status, headers: response.headers, html, text: unescaped(html.replaceAll(/<[^>]*>/g, ' ')).replaceAll(/\s+/g, ' ') }
}

/** The value of a field of a form. */
export function fieldOf(html: string, name: string): string {
  const value = new RegExp(`<input[^>]* name="${name}"[^>]* value="([^"]*)"`).exec(html)?.[1]
  if (value === undefined) throw new Error(`no field ${name} in ${html.slice(0, 2000)}`)
  return unescaped(value)
}

/** One who is logged in to the console of a controller that is called without a socket: a cookie, and what a browser sends beside it. */
export class ConsoleUser {
  readonly #controller: TestController
  cookie: string

  private constructor(controller: TestController, cookie: string) {
    this.#controller = controller
    this.cookie = cookie
  }

  static async login(controller: TestController, key = TEST_KEY): Promise<ConsoleUser> {
    const user = new ConsoleUser(controller, '')
    const { status, headers } = await user.send('/login', { key })
    expect(status).toBe(303)
    user.cookie = headers.get('Set-Cookie')?.split(';')[0] ?? ''
    return user
  }

  /** What a browser would send to the same controller on a port: a session's cookie is named after it. */
  cookieAt(port: number): string {
    return this.cookie.replace('dcm_session=', `dcm_session_${port}=`)
  }

  /** Asks for a page. @param path below /console */
  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<ConsolePage> {
    return pageOf(await this.#controller.app.request(`/console${path}`, { headers: { Cookie: this.cookie, ...headers } }))
  }

  /** Sends a form as it is given. */
  async send(path: string, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): Promise<ConsolePage> {
    const body = new URLSearchParams(fields).toString()
    const own = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': String(Buffer.byteLength(body)), 'Sec-Fetch-Site': 'same-origin' }
    return pageOf(await this.#controller.app.request(`/console${path}`, { method: 'POST', body, headers: { Cookie: this.cookie, ...own, ...headers } }))
  }

  /** Sends a form with the token of this session. */
  async post(path: string, fields: Readonly<Record<string, string>> = {}, headers: Readonly<Record<string, string>> = {}): Promise<ConsolePage> {
    return this.send(path, { csrf: fieldOf((await this.get('')).html, 'csrf'), ...fields }, headers)
  }
}
