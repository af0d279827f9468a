import { requestText } from '../support/http-text.ts'
import { monotonicMs } from '../support/monotonic.ts'
import { ConfigReader } from './configs.ts'
import { AgentConnection } from './connection.ts'

/** A publish that was acknowledged. */
export interface Announced {
  readonly version: number
  /** What each agent must be given, as {@link ConfigReader} digests it. */
  readonly digest: string
  /** Just before the request was written: {@link monotonicMs}. */
  readonly at: number
}

const TIMEOUT_MS = 30_000

/** Publishes over a kept-alive connection, so that no connecting is in the measured time. */
export class Publisher {
  readonly #options: { readonly url: string; readonly apiKey: string; readonly intervalSeconds: number }
  #connection: AgentConnection | undefined

  constructor(options: { readonly url: string; readonly apiKey: string; readonly intervalSeconds: number }) {
    this.#options = options
  }

  /** @throws Error where it is not a 201 */
  async publish(data: Readonly<Record<string, unknown>>): Promise<Announced> {
    const url = new URL(this.#options.url)
    if (this.#connection === undefined || this.#connection.over)
      this.#connection = await AgentConnection.open({ host: url.hostname, port: Number(url.port || 80) }, TIMEOUT_MS)
    const body = JSON.stringify({ data, poll_interval_seconds: Math.ceil(this.#options.intervalSeconds) })
    const request = requestText('POST', '/config', { headers: { Host: url.host, 'X-API-Key': this.#options.apiKey }, body })
    const at = monotonicMs()
    const { head, text } = await this.#connection.request(request, TIMEOUT_MS)
    if (head.status !== 201) throw new Error(`the publish was answered ${head.status}: ${text.slice(0, 500)}`)
    return { ...new ConfigReader().answer(text), at }
  }

  close(): void {
    this.#connection?.close()
  }
}
