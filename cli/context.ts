import { createPeerFetch } from '#lib/http/peer.ts'
import type { Environment } from '#lib/runtime/env.ts'
import { createControllerClient } from '#services/controller/client.ts'
import { createWorkerClient } from '#services/worker/client.ts'
import type { Output } from './output.ts'
import { loadSettings, type Settings } from './settings.ts'

/** The largest answer that is read, in bytes. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

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

  get settings(): Settings {
    this.#settings ??= loadSettings(this.env, this.#profile)
    return this.#settings
  }

  /** The typed client of the controller. */
  get controller() {
    const { controllerUrl, apiKey } = this.settings
    return createControllerClient(controllerUrl, { apiKey, fetch: this.#fetch })
  }

  /** The typed client of the worker. */
  get worker() {
    const { workerUrl, workerApiKey } = this.settings
    return createWorkerClient(workerUrl, { apiKey: workerApiKey, fetch: this.#fetch })
  }

  get #fetch(): typeof fetch {
    const peerFetch = createPeerFetch({ maxBytes: MAX_ANSWER_BYTES })
    // A service that does not answer within a minute and the longest wait is not there.
    return (input, init) => peerFetch(input, { ...init, signal: AbortSignal.any([this.signal, AbortSignal.timeout(125_000)]) })
  }
}
