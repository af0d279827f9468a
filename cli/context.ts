import { createPeerFetch, streamingFetch } from '#lib/http/peer.ts'
import type { Environment } from '#lib/runtime/env.ts'
import { createAgentClient } from '#services/agent/client.ts'
import { createControllerClient } from '#services/controller/client.ts'
import { createWorkerClient } from '#services/worker/client.ts'
import type { Output } from './output/output.ts'
import { loadSettings, type Settings } from './settings.ts'

/** The largest answer that is read, in bytes: a config may be 64 MiB. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
/** For how long an answer is waited for, in ms; calls that are held get their own time on top. */
const ANSWER_MS = 15_000
/** For how long a backup may be in the making, or say nothing while it is sent, in ms. */
const STREAM_MS = 600_000

/** What a command has to do with: settings, clients, and where its words go. */
export class Context {
  readonly env: Environment
  readonly output: Output
  /** Aborts with Ctrl-C. */
  readonly signal: AbortSignal
  readonly #profile: string | undefined
  #settings: Settings | undefined

  constructor(env: Environment, output: Output, signal: AbortSignal, profile: string | undefined) {
    this.env = env
    this.output = output
    this.signal = signal
    this.#profile = profile
  }

  /** @throws CliError where they are wrong */
  get settings(): Settings {
    this.#settings ??= loadSettings(this.env, this.#profile)
    return this.#settings
  }

  /** The typed client of the controller. */
  get controller() {
    const { controllerUrl, apiKey } = this.settings
    return createControllerClient(controllerUrl, { apiKey, fetch: this.fetchWithin(ANSWER_MS) })
  }

  /** The same for answers that are handed on as they come. */
  get streamingController() {
    const { controllerUrl, apiKey } = this.settings
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(STREAM_MS)])
    return createControllerClient(controllerUrl, { apiKey, fetch: (input, init) => streamingFetch(input, { ...init, signal }) })
  }

  /**
   * The typed client of the worker.
   * @param heldSeconds for how long it may hold a call
   */
  worker(heldSeconds = 0) {
    const { workerUrl, workerApiKey } = this.settings
    return createWorkerClient(workerUrl, { apiKey: workerApiKey, fetch: this.fetchWithin(ANSWER_MS + heldSeconds * 1000) })
  }

  /** The typed client of the agent; a relay wants the key. */
  get agent() {
    const { agentUrl, apiKey } = this.settings
    return createAgentClient(agentUrl, { apiKey, fetch: this.fetchWithin(ANSWER_MS) })
  }

  /** A fetch that gives up after some time. */
  fetchWithin(ms: number): typeof fetch {
    const peerFetch = createPeerFetch({ maxBytes: MAX_ANSWER_BYTES })
    return (input, init) => peerFetch(input, { ...init, signal: AbortSignal.any([this.signal, AbortSignal.timeout(ms)]) })
  }
}
