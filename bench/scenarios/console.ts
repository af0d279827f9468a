import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core'
import { dataOf } from '../fleet/simulate.ts'
import { type FleetSide, openSide } from '../support/fleet-side.ts'
import { API_KEY } from '../support/http-text.ts'
import { cpuSeconds } from '../support/process-figures.ts'
import type { Scenario } from '../support/scenario.ts'
import { startService } from '../support/service.ts'
import { type Pair, summary } from '../support/stats.ts'

/** How far apart publishes are, in ms: each is at all agents, and reported, long before the next. */
const EVERY_MS = 2000
const PATIENCE_MS = 60_000

type Row = Awaited<ReturnType<Scenario['run']>>[number]

/** Opens a page of the console by somebody who is logged in. */
async function openPage(browser: Browser, base: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  await page.goto(`${base}/console/login`)
  await page.getByLabel('API key').fill(API_KEY)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.locator('html[data-live="shown"]').waitFor()
  return page
}

/** From the click on a link to a page that shows the fleet and is kept up to date, in ms. */
async function navigate(page: Page, base: string): Promise<number> {
  await page.goto(`${base}/console/configs`)
  const started = performance.now()
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.locator('html[data-live="shown"] dcm-chart canvas').waitFor()
  return performance.now() - started
}

/** CPU time that the page's own thread has used, in s: scripts, styles, layout. */
async function pageSeconds(session: CDPSession): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics')
  return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN
}

/** Publishes to a fleet that reports, at even distances; gives the share of a core that each counter used meanwhile, in percent. */
async function shareOf(side: FleetSide, publishes: number, counters: readonly (() => Promise<number> | number)[]): Promise<readonly number[]> {
  const read = () => Promise.all(counters.map((counter) => counter()))
  const started = performance.now()
  const before = await read()
  for (let n = 1; n <= publishes; n += 1) {
    await side.fleet.publish(dataOf(500, n), PATIENCE_MS)
    await side.fleet.reported()
    await delay(Math.max(0, n * EVERY_MS - (performance.now() - started)))
  }
  const after = await read()
  const elapsed = (performance.now() - started) / 1000
  return after.map((value, at) => ((value - (before[at] ?? Number.NaN)) / elapsed) * 100)
}

/** The console with ten thousand agents: how soon a page is of use, and what keeping it up to date costs both sides. */
export const console_: Scenario = {
  name: 'console',
  async run(bench) {
    const executablePath = (process.env.PATH ?? '')
      .split(delimiter)
      .map((folder) => join(folder, 'chromium'))
      .find((path) => existsSync(path))
    if (executablePath === undefined) {
      bench.leaveOut('the console: there is no Chromium here')
      return []
    }
    const agents = bench.quick ? 1000 : 10_000
    const [rounds, publishes] = bench.quick ? [2, 4] : [6, 8]
    await using controller = await startService('controller', { DATA_DIR: bench.folder(), API_KEY, CONTROLLER_HOST: '127.0.0.1' })
    await using empty = await startService('controller', { DATA_DIR: bench.folder(), API_KEY, CONTROLLER_HOST: '127.0.0.1' })
    const [port, emptyPort] = [controller.port('controller'), empty.port('controller')]
    const [base, emptyBase] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${emptyPort}`]
    await using side = await openSide({ port, agents, via: 'stream', report: true })
    await using _one = await openSide({ port: emptyPort, agents: 1, via: 'stream', report: true })
    for (const fleet of [side.fleet, _one.fleet]) {
      await fleet.publish(dataOf(500, 0), PATIENCE_MS)
      await fleet.reported()
    }
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
    try {
      const rows: Row[] = []
      const [page, other] = [await openPage(browser, base), await openPage(browser, emptyBase)]
      const opened: Pair[] = []
      for (let round = 0; round < rounds; round += 1) opened.push({ ours: await navigate(page, base), baseline: await navigate(other, emptyBase) })
      rows.push({
        name: `overview of ${agents} agents, until it is live`,
        unit: 'ms',
        ...summary(opened),
        against: 'one agent',
        bound: { kind: 'at most', of: 'ours', value: 1000 },
      })
      await other.goto('about:blank')

      const session = await page.context().newCDPSession(page)
      await session.send('Performance.enable')
      const ofController = () => cpuSeconds(controller.pid) ?? Number.NaN
      const [pages, added]: [Pair[], Pair[]] = [[], []]
      for (let round = 0; round < Math.max(1, rounds / 3); round += 1) {
        await page.goto('about:blank')
        const [unwatched = Number.NaN] = await shareOf(side, publishes, [ofController])
        await page.goto(`${base}/console`)
        await page.locator('html[data-live="shown"]').waitFor()
        const [watched = Number.NaN, looking = Number.NaN] = await shareOf(side, publishes, [ofController, () => pageSeconds(session)])
        const restBefore = await pageSeconds(session)
        await delay(5000)
        const resting = ((await pageSeconds(session)) - restBefore) * 20
        pages.push({ ours: looking, baseline: Math.max(resting, 0.01) })
        added.push({ ours: Math.max(watched - unwatched, 0.01), baseline: unwatched })
      }
      const each = `a publish to ${agents} each ${EVERY_MS / 1000} s`
      rows.push({
        name: `CPU time of an open overview, ${each}`,
        unit: '%',
        ...summary(pages),
        against: 'the same page, no publish',
        bound: { kind: 'at most', of: 'ours', value: 10 },
      })
      rows.push({
        name: `CPU time that it adds to the controller, ${each}`,
        unit: '%',
        ...summary(added),
        against: 'fan-out and reports by themselves',
        bound: { kind: 'at most', of: 'ours', value: 5 },
      })
      return rows
    } finally {
      await browser.close()
    }
  },
}
