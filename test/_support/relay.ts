import { type AgentStatus, AgentStatusSchema } from '#lib/contract/agent.ts'
import { type Logger, silentLogger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { createAgentClient } from '#services/agent/client.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { type RunningAgent, startAgent } from '#services/agent/start.ts'
import { requestInit, TEST_KEY, type TestRequest } from './controller.ts'
import { TempFolder } from './temp.ts'

/** How a test's relay differs from the usual one. */
export interface TestRelayOptions {
  readonly controllerUrl: string
  readonly workerUrl?: string
  /** Where it keeps its cache; a folder of its own where absent. */
  readonly dataDir?: string
  /** Its port: a fixed one only to come back where it was. */
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  readonly clock?: Clock
  readonly logger?: Logger
}

/** A relay on a socket, with a key of its own, until the test's scope ends. */
export class TestRelay implements AsyncDisposable {
  readonly #agent: RunningAgent
  readonly #folder: TempFolder | undefined

  private constructor(agent: RunningAgent, folder: TempFolder | undefined) {
    this.#agent = agent
    this.#folder = folder
  }

  static async open(options: TestRelayOptions): Promise<TestRelay> {
    const folder = options.dataDir === undefined ? new TempFolder() : undefined
    const config = loadAgentConfig({
      API_KEY: TEST_KEY,
      AGENT_PORT: String(options.port ?? 0),
      AGENT_HOST: '127.0.0.1',
      CONTROLLER_URL: options.controllerUrl,
      // Nobody listens there: the relay's own worker is not what these tests are about.
      WORKER_URL: options.workerUrl ?? 'http://127.0.0.1:9',
      RELAY: 'true',
      DATA_DIR: options.dataDir ?? folder?.path,
      ...options.env,
    })
    const { clock, logger = silentLogger } = options
    return new TestRelay(await startAgent(config, { logger, ...(clock ? { clock } : {}) }), folder)
  }

  get port(): number {
    return this.#agent.port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  fetch(path: string, request?: TestRequest): Promise<Response> {
    return fetch(this.url + path, requestInit(request))
  }

  /** `/status`, which on a relay needs the key. */
  async status(): Promise<AgentStatus> {
    const answer = await createAgentClient(this.url, { apiKey: TEST_KEY }).status.$get()
    return AgentStatusSchema.parse((await answer.json()).data)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.stop(AbortSignal.abort())
    this.#folder?.[Symbol.dispose]()
  }
}
