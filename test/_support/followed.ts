import { expect } from 'vitest'
import { z } from 'zod'
import type { AgentConfig } from '#services/agent/config.ts'
import { TestAgent } from './agent.ts'
import { GoWorker, serveGo } from './go-system.ts'
import type { TestProcess } from './process.ts'
import type { StubServer } from './stub-server.ts'
import { startService } from './system.ts'
import { TempFolder } from './temp.ts'

const GivenSchema = z.object({ version: z.number(), data: z.record(z.string(), z.unknown()) })

/** What a worker was given, in the order in which it came. */
export type Given = z.infer<typeof GivenSchema>

/** An agent with a worker of its own that remembers all it was given; both end with the test's scope. */
export class FollowedWorker implements AsyncDisposable {
  readonly name: string
  readonly server: StubServer
  readonly #worker: GoWorker
  readonly #folder: TempFolder
  readonly #agent: TestProcess | TestAgent

  private constructor(name: string, server: StubServer, worker: GoWorker, start: (folder: TempFolder) => TestProcess | TestAgent) {
    this.name = name
    this.server = server
    this.#worker = worker
    this.#folder = new TempFolder()
    this.#agent = start(this.#folder)
  }

  /** An agent that is a process. */
  static async process(name: string, controllerUrl: string): Promise<FollowedWorker> {
    const worker = new GoWorker()
    const server = await serveGo(worker)
    return new FollowedWorker(name, server, worker, ({ path }) =>
      startService('agent', { DATA_DIR: path, CONTROLLER_URL: controllerUrl, WORKER_URL: server.url }),
    )
  }

  /** An agent in this process, over real sockets. */
  static async here(name: string, controllerUrl: string, settings: Partial<AgentConfig> = {}): Promise<FollowedWorker> {
    const worker = new GoWorker()
    const server = await serveGo(worker)
    return new FollowedWorker(
      name,
      server,
      worker,
      ({ path }) => new TestAgent({ dataDir: path, settings: { controllerUrl, workerUrl: server.url, workerCheckMs: 500, ...settings } }),
    )
  }

  /** The version the worker has now; 0 before its first. */
  get version(): number {
    return this.#worker.config?.version ?? 0
  }

  /** What the worker runs now. */
  get config(): Given | undefined {
    return this.#worker.config
  }

  /** All it was ever given. */
  get history(): Given[] {
    return this.server.requests('POST', '/config').map(({ body }) => GivenSchema.parse(JSON.parse(body)))
  }

  /** What guarantees say of an agent that never restarted: each version once, and only ever upwards. */
  expectOnlyUp(): void {
    const versions = this.history.map(({ version }) => version)
    expect(versions, this.name).toEqual([...new Set(versions)].sort((a, b) => a - b))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent[Symbol.asyncDispose]()
    await this.server[Symbol.asyncDispose]()
    this.#folder[Symbol.dispose]()
  }
}
