import { writeFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { BadProxy } from '#test/_support/bad-proxy.ts'
import { dataOf, requestInit } from '#test/_support/controller.ts'
import { GoWorker, serveGo, versionsGiven } from '#test/_support/go-system.ts'
import type { TestProcess } from '#test/_support/process.ts'
import { publishTo, versionAt } from '#test/_support/publishing.ts'
import { linesWith, said } from '#test/_support/said.ts'
import { steadyPort } from '#test/_support/steady-port.ts'
import { agentStatus, startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 30_000, interval: 10 }
const HOUR = 3_600_000
const preload = `--import=${new URL('../../_support/shifted-clock.ts', import.meta.url)}`

/** The clock of a process of a test's own. */
class Clock {
  readonly env: Readonly<Record<string, string>>
  readonly #file: string

  constructor(file: string) {
    this.#file = file
    this.env = { NODE_OPTIONS: preload, SHIFT_FILE: file }
    this.off(0)
  }

  /** Sets it off by so many ms; a process that runs is told by {@link step}. */
  off(ms: number): void {
    writeFileSync(this.#file, String(ms))
  }

  async step(service: TestProcess, ms: number): Promise<void> {
    this.off(ms)
    const said = service.lines.length
    service.signal('SIGUSR2')
    await vi.waitFor(() => expect(service.lines.slice(said).map(({ msg }) => msg)).toContain(`the clock is off by ${ms} ms`), soon)
  }
}

/** Holds a long poll on the version that is latest; gives the status and how long it took, in ms. */
async function longPoll(port: number, version: number, seconds: number) {
  const started = performance.now()
  const held = { key: 'default-api-key', headers: { 'If-None-Match': `"${version}"` } }
  const answer = await fetch(`http://127.0.0.1:${port}/config?wait=${seconds}`, requestInit(held))
  await answer.text()
  return { status: answer.status, tookMs: performance.now() - started }
}

/** How many agents the controller knows, and takes for alive. */
async function agentsOnline(port: number) {
  const answer = await fetch(`http://127.0.0.1:${port}/status`, requestInit({ key: 'default-api-key' }))
  const { total, online } = (await dataOf(answer, 200, FleetStatusSchema)).agents
  return { total, online }
}

test('a clock that steps by an hour, forwards and back, while running and at a restart: nothing lost, order kept, no storm', { timeout: 120_000 }, async () => {
  using folder = new TempFolder()
  using agentFolder = new TempFolder()
  const controllerClock = new Clock(folder.file('controller-clock'))
  const agentClock = new Clock(folder.file('agent-clock'))
  const port = await steadyPort()
  const startController = () => startService('controller', { DATA_DIR: folder.path, CONTROLLER_PORT: String(port), ...controllerClock.env })
  await using proxy = await BadProxy.open(port)
  const worker = new GoWorker()
  await using workerServer = await serveGo(worker)
  const startAgent = () => startService('agent', { DATA_DIR: agentFolder.path, CONTROLLER_URL: proxy.url, WORKER_URL: workerServer.url, ...agentClock.env })
  let version = 0
  const publishArrives = async () => {
    const config = await publishTo(port, { n: ++version })
    expect(config.version).toBe(version)
    await vi.waitFor(() => expect(worker.config).toMatchObject({ version, data: { n: version } }), soon)
    return config
  }

  {
    await using controller = startController()
    await controller.listening()
    await using agent = startAgent()
    await said(agent, 'following the controller')
    await vi.waitFor(async () => expect((await agentStatus(await agent.listening())).controller.via).toBe('stream'), soon)
    await publishArrives()
    const [following, all] = [proxy.following, proxy.requests.length]
    for (const [controllerMs, agentMs] of [
      [HOUR, 0],
      [HOUR, HOUR],
      [-HOUR, HOUR],
      [-HOUR, -HOUR],
      [0, 0],
    ] as const) {
      const held = longPoll(port, version, 1)
      await controllerClock.step(controller, controllerMs)
      await agentClock.step(agent, agentMs)
      // A held request is held for as long as it asked, whatever the clock says meanwhile; deadlines are kept to 200 ms.
      const { status, tookMs } = await held
      expect(status).toBe(304)
      expect(tookMs).toBeGreaterThan(700)
      const config = await publishArrives()
      await vi.waitFor(async () => expect(await agentsOnline(port)).toEqual({ total: 1, online: 1 }), soon)
      expect(Math.abs(Date.parse(config.created_at ?? '') - Date.now() - controllerMs)).toBeLessThan(HOUR / 2)
    }
    // The stream is the same all the while.
    expect(proxy.following).toBe(following)
    expect(proxy.requests.length - all).toBeLessThanOrEqual(5 * 4)
    controllerClock.off(-HOUR)
    controller.signal('SIGTERM')
    await controller.ended

    // A controller that comes back in the past, and an agent that comes back in the future.
    await using past = startController()
    await past.listening()
    await publishArrives()
    expect(linesWith(agent, 'went back')).toEqual([])
    agentClock.off(HOUR)
    agent.signal('SIGKILL')
    await agent.ended
    worker.config = undefined
    await using future = startAgent()
    await future.listening()
    await vi.waitFor(() => expect(worker.config?.version).toBe(version), soon)
    await said(future, 'following the controller')
    await publishArrives()
    expect(future.lines.filter(({ level }) => level >= 40)).toEqual([])
    const given = versionsGiven(workerServer)
    expect(given).toEqual([...given].sort((a, b) => a - b))
    for (let n = 1; n <= version; n++) expect(await versionAt(port, n)).toMatchObject({ version: n, data: { n } })
  }
})
