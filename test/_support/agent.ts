import { silentLogger } from '#lib/observe/logger.ts'
import type { AgentConfig } from '#services/agent/config.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { type AgentOverrides, openAgentDeps } from '#services/agent/deps.ts'
import type { Follower } from '#services/agent/sync/follower.ts'
import type { Forwarder } from '#services/agent/sync/forwarder.ts'
import type { Reporter } from '#services/agent/sync/reporter.ts'

/** An agent without its app: the loops that follow and forward, until the test's scope ends. */
export class TestAgent implements AsyncDisposable {
  readonly follower: Follower
  readonly forwarder: Forwarder
  readonly reporter: Reporter
  readonly #stopping = new AbortController()
  readonly #loops: Promise<void>[]
  readonly #release: () => void

  /** @param options.settings what differs from the environment's defaults; checks are quick, so that a test need not wait */
  constructor(options: { readonly dataDir: string; readonly settings: Partial<AgentConfig>; readonly overrides?: AgentOverrides }) {
    const config: AgentConfig = { ...loadAgentConfig({ DATA_DIR: options.dataDir }), workerCheckMs: 20, ...options.settings }
    const deps = openAgentDeps(config, () => 8081, { logger: silentLogger, ...options.overrides })
    this.follower = deps.follower
    this.forwarder = deps.forwarder
    this.reporter = deps.reporter
    this.#release = deps.release
    deps.holding.startFromCache()
    const { signal } = this.#stopping
    this.#loops = [this.follower.run(signal), this.forwarder.run(signal), this.reporter.run(signal)]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#loops)
    this.#release()
  }
}
