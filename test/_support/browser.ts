import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'

/** What a page waits for at most, in ms: on a machine that has much else to do. */
const PATIENCE_MS = 15_000

const names = ['chromium', 'chromium-browser', 'google-chrome']

/** The browser of this machine. */
function chromiumPath(): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const path = folders.flatMap((folder) => names.map((name) => join(folder, name))).find((candidate) => existsSync(candidate))
  if (path === undefined) throw new Error('no Chromium in PATH: install it, as .ci/run does')
  return path
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** How a page is looked at. */
export interface Look {
  readonly name: string
  readonly options: BrowserContextOptions
}

/** Wide and narrow, light and dark. */
export const looks: readonly Look[] = [
  { name: 'light', options: { viewport: { width: 1280, height: 900 }, colorScheme: 'light' } },
  { name: 'dark', options: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' } },
  { name: 'narrow', options: { viewport: { width: 360, height: 740 }, colorScheme: 'light' } },
  { name: 'wide', options: { viewport: { width: 2560, height: 1200 }, colorScheme: 'dark' } },
]

/** A visitor of the console, in a browser context of their own; whatever the page complains of fails the test. */
export class Visitor implements AsyncDisposable {
  readonly page: Page
  readonly #context: BrowserContext
  readonly #base: string
  /** What the console, the CSP and uncaught errors said. */
  readonly complaints: string[] = []

  constructor(context: BrowserContext, page: Page, base: string) {
    this.#context = context
    this.page = page
    this.#base = base
    page.setDefaultTimeout(PATIENCE_MS)
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text())
    })
    page.on('pageerror', (error) => void this.complaints.push(String(error)))
  }

  /** Opens a page of the console. @param path below /console */
  async open(path: string): Promise<void> {
    await this.page.goto(`${this.#base}/console${path}`)
  }

  /** Logs in; leads to where the login leads. */
  async login(key = 'default-api-key'): Promise<void> {
    if (!this.page.url().includes('/console')) await this.open('')
    await this.page.getByLabel('API key').fill(key)
    await this.page.getByRole('button', { name: 'Log in' }).click()
    await this.page.getByRole('heading', { level: 1 }).waitFor()
  }

  /** What the page says, as it is seen. */
  async text(): Promise<string> {
    return this.page.locator('body').innerText()
  }

  /** Waits until the page says something. */
  async says(text: string | RegExp): Promise<void> {
    await expect.poll(() => this.text(), { timeout: PATIENCE_MS, interval: 50 }).toMatch(text)
  }

  /** Fails where axe-core finds a violation, or the page is wider than the window. */
  async checkAccessible(): Promise<void> {
    await this.page.evaluate(axe)
    const violations: unknown = await this.page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html.slice(0, 200)).join(" | ")))',
    )
    expect([this.page.url(), violations]).toEqual([this.page.url(), []])
    const wider: unknown = await this.page.evaluate('document.documentElement.scrollWidth - innerWidth')
    expect([this.page.url(), wider]).toEqual([this.page.url(), 0])
  }

  /** Fails where the page complained. */
  checkQuiet(): void {
    expect(this.complaints).toEqual([])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close()
  }
}

/** A real Chromium. */
export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  static async launch(): Promise<TestBrowser> {
    // Containers have no user namespaces for its sandbox; it sees pages of ours alone.
    return new TestBrowser(await chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox', '--disable-dev-shm-usage'] }))
  }

  /** @param base as http://127.0.0.1:6001 */
  async visit(base: string, options: BrowserContextOptions = {}): Promise<Visitor> {
    const context = await this.#browser.newContext(options)
    return new Visitor(context, await context.newPage(), base)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close()
  }
}
