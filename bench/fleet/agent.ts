import { StringDecoder } from 'node:string_decoder'
import { createParser } from 'eventsource-parser'
import { z } from 'zod'
import { backoffDelay } from '#lib/runtime/backoff.ts'
import { headerOf } from '../support/http-reader.ts'
import { monotonicMs } from '../support/monotonic.ts'
import type { ConfigReader, FetchedConfig } from './configs.ts'
import { AgentConnection, type Answer, faultOf, LostError, type Target } from './connection.ts'
import type { Held, History, Outage } from './history.ts'
import { fetchText, registerText, type Sender, streamText } from './requests.ts'
import type { Tally } from './tally.ts'

/** What agents of one process share. */
export interface Surroundings extends Sender {
  readonly target: Target
  readonly via: 'stream' | 'wait' | 'poll'
  /** How long a poll is held, in seconds. */
  readonly waitSeconds: number
  /** Seconds between polls. */
  readonly intervalSeconds: number
  readonly configs: ConfigReader
  readonly tally: Tally
  random(): number
  sleep(ms: number): Promise<void>
  /** An agent took a version. */
  took(agent: SimulatedAgent, config: FetchedConfig): void
  /** An agent follows, for the first time or again. */
  follows(agent: SimulatedAgent): void
}

const RegistrationSchema = z.object({ data: z.object({ agent_id: z.string() }) })

/** As the agent's REQUEST_TIMEOUT_SECONDS, and its limit for a stream that says nothing: two heartbeats. */
const REQUEST_MS = 10_000
const SILENCE_MS = 30_000
const MAX_BACKOFF_MS = 10_000

/**
 * One agent as the protocol sees it: registers, fetches at once, follows, and begins anew after a backoff for as long as
 * it lives. It keeps no cache and has no worker; everything that goes over the wire is as the agent's.
 */
export class SimulatedAgent {
  readonly index: number
  /** Follows a stream without ever reading it. */
  readonly neverReads: boolean
  readonly #instanceId: string
  readonly #around: Surroundings
  readonly #held: Held[] = []
  readonly #outages: { from: number; to: number | undefined }[] = []
  #agentId: string | undefined
  #highest = 0
  #config: FetchedConfig | undefined
  #connection: AgentConnection | undefined
  #failures = 0
  /** What `retry:` or Retry-After asked for last, in ms. */
  #asked = 0
  #followingSince: number | undefined

  constructor(options: { readonly index: number; readonly instanceId: string; readonly neverReads: boolean }, around: Surroundings) {
    this.index = options.index
    this.neverReads = options.neverReads
    this.#instanceId = options.instanceId
    this.#around = around
  }

  /** The highest version it ever took; 0 before its first. */
  get highest(): number {
    return this.#highest
  }

  get agentId(): string | undefined {
    return this.#agentId
  }

  get history(): History {
    const outages: readonly Outage[] = this.#outages
    return { held: this.#held, outages }
  }

  /** Since when it follows: {@link monotonicMs}; undefined while it does not. */
  get followingSince(): number | undefined {
    return this.#followingSince
  }

  /** Runs for ever: an agent ends with its process. */
  async run(): Promise<never> {
    for (;;) {
      try {
        await this.#connect()
        for (;;) await this.#step()
      } catch (error) {
        this.#lost(error)
        await this.#backOff()
      }
    }
  }

  /** Registers and fetches at once. */
  async #connect(): Promise<void> {
    const { configs } = this.#around
    const registered = await this.#ask(registerText(this.#around, { hostname: `sim-${this.index}`, instanceId: this.#instanceId }), REQUEST_MS, [201])
    this.#agentId = RegistrationSchema.parse(JSON.parse(registered.text)).data.agent_id
    const fetched = await this.#ask(fetchText(this.#around, this.#agentId, this.#config, undefined), REQUEST_MS, [200, 304, 404])
    if (fetched.head.status === 200) this.#take(configs.answer(fetched.text), fetched.at)
    this.#failures = 0
    this.#asked = 0
  }

  async #step(): Promise<void> {
    const { via } = this.#around
    if (via === 'stream') return this.#stream()
    const { intervalSeconds, waitSeconds, configs } = this.#around
    if (via === 'poll') {
      this.#follow()
      await this.#around.sleep(intervalSeconds * 1000 * (1 - 0.1 * this.#around.random()))
    }
    const held = via === 'wait' ? waitSeconds : undefined
    const answering = this.#ask(fetchText(this.#around, this.#agentId, this.#config, held), REQUEST_MS + (held ?? 0) * 1000, [200, 304, 404])
    if (via === 'wait') this.#follow()
    const answer = await answering
    if (answer.head.status === 200) this.#take(configs.answer(answer.text), answer.at)
  }

  async #stream(): Promise<void> {
    const { configs } = this.#around
    const decoder = new StringDecoder('utf8')
    let at = 0
    const parser = createParser({
      onEvent: ({ event, data }) => {
        if (event === 'config') this.#take(configs.event(data), at)
      },
      onRetry: (ms) => {
        this.#asked = ms
      },
    })
    const connection = await this.#connected()
    await this.#ask(streamText(this.#around, this.#agentId, this.#config), SILENCE_MS, [200], {
      onOpen: () => {
        this.#around.tally.count('stream opened')
        this.#follow()
        if (this.neverReads) connection.stopReading()
      },
      onBytes: (bytes) => {
        at = monotonicMs()
        parser.feed(decoder.write(bytes))
      },
    })
    throw new LostError('the stream ended')
  }

  async #connected(): Promise<AgentConnection> {
    if (this.#connection === undefined || this.#connection.over) this.#connection = await AgentConnection.open(this.#around.target, REQUEST_MS)
    return this.#connection
  }

  /** Asks, and counts the answer. @throws LostError where it has none of these statuses */
  async #ask(request: string, silenceMs: number, statuses: readonly number[], sink?: Parameters<AgentConnection['request']>[2]): Promise<Answer> {
    const connection = await this.#connected()
    const answer = await connection.request(request, silenceMs, sink)
    this.#around.tally.answered(answer.head)
    if (statuses.includes(answer.head.status)) return answer
    const retryAfter = Number(headerOf(answer.head, 'retry-after'))
    if (retryAfter > 0) this.#asked = retryAfter * 1000
    // Else the connection stays: a 503 is an answer like any other.
    if (headerOf(answer.head, 'connection')?.toLowerCase() === 'close') connection.close()
    throw new LostError(`answered ${answer.head.status}`, answer.text.slice(0, 500))
  }

  #take(config: FetchedConfig, at: number): void {
    const before = this.#config
    this.#config = config
    // What came as this version with other bytes was refused by the reader.
    if (before?.version === config.version) return
    this.#held.push({ version: config.version, at })
    this.#highest = Math.max(this.#highest, config.version)
    this.#around.took(this, config)
  }

  #follow(): void {
    if (this.#followingSince !== undefined) return
    this.#followingSince = monotonicMs()
    const last = this.#outages.at(-1)
    if (last?.to === undefined && last !== undefined) last.to = this.#followingSince
    this.#around.follows(this)
  }

  /** Notes that it follows nobody, from now until it does again; what is no loss is a fault, of the controller or of this. */
  #lost(error: unknown): void {
    this.#around.tally.count(error instanceof LostError ? error.reason : faultOf(error))
    if (this.#followingSince === undefined && this.#outages.length > 0) return
    this.#followingSince = undefined
    this.#outages.push({ from: monotonicMs(), to: undefined })
  }

  /** As the agent waits: 1 s, doubled, at most 10 s or the interval; longer where it was asked to. */
  async #backOff(): Promise<void> {
    this.#failures++
    const max = Math.min(MAX_BACKOFF_MS, this.#around.intervalSeconds * 1000)
    const backoff = backoffDelay(this.#failures, { base_ms: Math.min(1000, max), max_ms: max, jitter: 0.3 }, this.#around)
    await this.#around.sleep(Math.max(backoff, this.#asked * (1 + 0.3 * this.#around.random())))
  }
}
