import { copyFileSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, test, vi } from 'vitest'
import { AgentStatusSchema } from '#lib/contract/agent.ts'
import { BadProxy } from '#test/_support/bad-proxy.ts'
import { dataOf, requestInit } from '#test/_support/controller.ts'
import { GoWorker, serveGo, versionsGiven } from '#test/_support/go-system.ts'
import type { TestProcess } from '#test/_support/process.ts'
import { publishTo } from '#test/_support/publishing.ts'
import { linesWith } from '#test/_support/said.ts'
import { steadyPort } from '#test/_support/steady-port.ts'
import type { StubServer } from '#test/_support/stub-server.ts'
import { startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 30_000, interval: 20 }

/** `/status` of an agent; a relay wants the key for it. */
const statusOf = async (port: number) => dataOf(await fetch(`http://127.0.0.1:${port}/status`, requestInit({ key: 'default-api-key' })), 200, AgentStatusSchema)

/** A controller; a relay whose path to it can be cut; and an agent, each relay and agent with a worker of its own. */
class Tree implements AsyncDisposable {
  readonly worker = new GoWorker()
  readonly #folders = { controller: new TempFolder(), relay: new TempFolder(), agent: new TempFolder() }
  readonly #disposables: AsyncDisposable[] = []
  readonly controllerPort: number
  readonly path: BadProxy
  readonly workerServer: StubServer
  controller: TestProcess
  relay: TestProcess
  agent: TestProcess | undefined

  private constructor(controllerPort: number, path: BadProxy, relayWorker: StubServer, worker: GoWorker, workerServer: StubServer) {
    this.controllerPort = controllerPort
    this.path = path
    this.worker = worker
    this.workerServer = workerServer
    this.controller = this.#started('controller', { CONTROLLER_PORT: String(controllerPort) })
    this.relay = this.#started('agent', { RELAY: 'true', DATA_DIR: this.#folders.relay.path, CONTROLLER_URL: path.url, WORKER_URL: relayWorker.url })
    this.#disposables.push(path, relayWorker, workerServer)
  }

  /** All that is needed for an agent; both versions of the beginning are at the relay. */
  static async open(): Promise<Tree> {
    const port = await steadyPort()
    const worker = new GoWorker()
    const tree = new Tree(port, await BadProxy.open(port), await serveGo(new GoWorker()), worker, await serveGo(worker))
    await tree.controller.listening()
    for (let n = 1; n <= 2; n++) await publishTo(port, { n })
    await tree.relayHolds(2)
    return tree
  }

  /** Starts the agent, or starts it again elsewhere after a kill -9. */
  async startAgent(controllerPort: number): Promise<TestProcess> {
    this.agent?.signal('SIGKILL')
    await this.agent?.ended
    const env = { DATA_DIR: this.#folders.agent.path, CONTROLLER_URL: `http://127.0.0.1:${controllerPort}`, WORKER_URL: this.workerServer.url }
    this.agent = this.#started('agent', env)
    return this.agent
  }

  /** The path between relay and controller breaks, and what is on it. */
  async cutOff(): Promise<void> {
    this.path.behaviour = { kind: 'refuse' }
    this.path.halfClose('agent')
    const port = await this.relay.listening()
    await vi.waitFor(async () => expect(await statusOf(port)).toMatchObject({ relay: { cut_off: true } }), soon)
  }

  async relayHolds(version: number): Promise<void> {
    const port = await this.relay.listening()
    await vi.waitFor(async () => expect((await statusOf(port)).held_version).toBe(version), soon)
  }

  async workerRuns(version: number, data: object): Promise<void> {
    await vi.waitFor(() => expect(this.worker.config).toMatchObject({ version, data }), soon)
  }

  /** Copies the database as operators do: while the service runs. */
  async backUp(): Promise<void> {
    const db = new Database(this.#folders.controller.file('controller.db'))
    await db.backup(this.#folders.controller.file('backup.db'))
    db.close()
  }

  /** Stops the controller, puts the copy back and starts it. */
  async restore(): Promise<void> {
    this.controller.signal('SIGTERM')
    await this.controller.ended
    const { controller } = this.#folders
    for (const rest of ['-wal', '-shm']) rmSync(controller.file(`controller.db${rest}`), { force: true })
    copyFileSync(controller.file('backup.db'), controller.file('controller.db'))
    this.controller = this.#started('controller', { CONTROLLER_PORT: String(this.controllerPort) })
    await this.controller.listening()
  }

  #started(service: 'controller' | 'agent', env: Readonly<Record<string, string>>): TestProcess {
    const started = startService(service, { DATA_DIR: this.#folders.controller.path, ...env })
    this.#disposables.unshift(started)
    return started
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#disposables) await one[Symbol.asyncDispose]()
    for (const folder of Object.values(this.#folders)) folder[Symbol.dispose]()
  }
}

const wentBack = (agent: TestProcess) => linesWith(agent, 'the controller went back').length

describe.concurrent('a relay', { timeout: 90_000 }, () => {
  test('that merely lags is waited out: an agent that comes to it keeps what it has, and goes on when it has caught up', async () => {
    await using tree = await Tree.open()
    await tree.startAgent(tree.controllerPort)
    await tree.workerRuns(2, { n: 2 })
    await tree.cutOff()
    for (let n = 3; n <= 5; n++) await publishTo(tree.controllerPort, { n })
    await tree.workerRuns(5, { n: 5 })

    const agent = await tree.startAgent(await tree.relay.listening())
    const port = await agent.listening()
    await vi.waitFor(async () => expect((await statusOf(port)).controller.last_error).toMatch(/version 2 where 5 is held/), soon)
    expect(await statusOf(port)).toMatchObject({ held_version: 5, worker: { applied_version: 5 } })

    tree.path.behaviour = { kind: 'pass' }
    await tree.relayHolds(5)
    await vi.waitFor(async () => expect((await statusOf(port)).controller).toMatchObject({ state: 'following', via: 'stream' }), soon)
    await publishTo(tree.controllerPort, { n: 6 })
    await tree.workerRuns(6, { n: 6 })
    const given = versionsGiven(tree.workerServer)
    expect(given).toEqual([...given].sort((a, b) => a - b))
    expect([wentBack(agent), wentBack(tree.relay)]).toEqual([0, 0])
  })

  test('whose controller was restored says so to its agents, and they follow', async () => {
    await using tree = await Tree.open()
    const agent = await tree.startAgent(await tree.relay.listening())
    await tree.backUp()
    for (let n = 3; n <= 5; n++) await publishTo(tree.controllerPort, { n })
    await tree.workerRuns(5, { n: 5 })
    await tree.restore()
    await tree.workerRuns(2, { n: 2 })
    for (let n = 3; n <= 6; n++) {
      await publishTo(tree.controllerPort, { n, after: 'the restore' })
      await tree.workerRuns(n, { n, after: 'the restore' })
    }
    expect([wentBack(agent), wentBack(tree.relay)]).toEqual([1, 1])
  })

  test('that was cut off beside a restored controller: whoever comes to it ends on what the controller says', async () => {
    await using tree = await Tree.open()
    await tree.backUp()
    await tree.startAgent(tree.controllerPort)
    for (let n = 3; n <= 5; n++) await publishTo(tree.controllerPort, { n })
    await tree.workerRuns(5, { n: 5 })
    await tree.relayHolds(5)
    await tree.cutOff()
    await tree.restore()
    await tree.workerRuns(2, { n: 2 })
    await publishTo(tree.controllerPort, { n: 3, after: 'the restore' })
    await tree.workerRuns(3, { n: 3, after: 'the restore' })

    await tree.startAgent(await tree.relay.listening())
    tree.path.behaviour = { kind: 'pass' }
    await tree.relayHolds(3)
    await tree.workerRuns(3, { n: 3, after: 'the restore' })
    await publishTo(tree.controllerPort, { n: 4, after: 'the restore' })
    await tree.workerRuns(4, { n: 4, after: 'the restore' })
    expect(wentBack(tree.relay)).toBe(1)
  })
})
