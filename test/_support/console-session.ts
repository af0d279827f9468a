import { expect } from 'vitest'
import { TEST_KEY, type TestController } from './controller.ts'

/** A page of the console, as it was answered. */
export interface ConsolePage {
  readonly status: number
  readonly headers: Headers
  readonly html: string
}

const entities: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&amp;': '&' }

/** HTML's text as it was before it was escaped. */
export const unescaped = (html: string): string => html.replace(/&(?:lt|gt|quot|#39|amp);/g, (entity) => entities[entity] ?? entity)

/** What one reads of a page: its text without the markup. */
export const readable = ({ html }: Pick<ConsolePage, 'html'>): string => unescaped(html.replace(/<[^>]+>/g, '')).replace(/\s+/g, ' ')

/** The fields of a page's form with their values, as a browser would send them; without what its buttons say. */
export function fieldsOf({ html }: Pick<ConsolePage, 'html'>, action: string): Record<string, string> {
  const form = html.split('<form ').find((part) => part.startsWith(`method="post" action="${action}"`))
  if (form === undefined) throw new Error(`the page has no form that is sent to ${action}`)
  const inside = form.slice(0, form.indexOf('</form>'))
  const fields: Record<string, string> = {}
  for (const [tag] of inside.matchAll(/<input [^>]*>/g)) {
    const name = /\bname="([^"]*)"/.exec(tag)?.[1]
    if (name !== undefined && !tag.includes('type="checkbox"')) fields[name] = unescaped(/\bvalue="([^"]*)"/.exec(tag)?.[1] ?? '')
  }
  for (const [, attributes = '', text = ''] of inside.matchAll(/<textarea ([^>]*)>([\s\S]*?)<\/textarea>/g))
    fields[/\bname="([^"]*)"/.exec(attributes)?.[1] ?? ''] = unescaped(text.replace(/^\n/, ''))
  return fields
}

/** Somebody who is logged in to the console, without a browser. */
export class ConsoleSession {
  readonly #controller: TestController
  readonly #cookie: string

  private constructor(controller: TestController, cookie: string) {
    this.#controller = controller
    this.#cookie = cookie
  }

  /** Logs in; fails where that is refused. */
  static async begin(controller: TestController, key = TEST_KEY): Promise<ConsoleSession> {
    const answer = await controller.app.request('/console/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '100', 'Sec-Fetch-Site': 'same-origin' },
      body: new URLSearchParams({ key }).toString(),
    })
    expect(answer.status, await answer.text()).toBe(303)
    return new ConsoleSession(controller, /^[^;]*/.exec(answer.headers.get('Set-Cookie') ?? '')?.[0] ?? '')
  }

  /** Reads a page. */
  async get(path: string): Promise<ConsolePage> {
    return this.#page(await this.#controller.app.request(path, { headers: { Cookie: this.#cookie } }))
  }

  /** Sends a form as a page of the console would; `csrf` is the caller's to give. */
  async post(path: string, fields: Readonly<Record<string, string>>): Promise<ConsolePage> {
    const body = new URLSearchParams(fields).toString()
    const headers = {
      Cookie: this.#cookie,
      'Content-Type': 'application/x-www-form-urlencoded',
      'Content-Length': String(body.length),
      'Sec-Fetch-Site': 'same-origin',
    }
    return this.#page(await this.#controller.app.request(path, { method: 'POST', headers, body }))
  }

  /** Opens a page, changes fields of a form on it, and sends that. */
  async send(path: string, fields: Readonly<Record<string, string>>, action = path): Promise<ConsolePage> {
    return this.post(action, { ...fieldsOf(await this.get(path), action), ...fields })
  }

  async #page(answer: Response): Promise<ConsolePage> {
    return { status: answer.status, headers: answer.headers, html: await answer.text() }
  }
}
