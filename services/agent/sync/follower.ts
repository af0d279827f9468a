import type { AgentStatus } from '#lib/contract/agent.ts'
import type { ReceivedConfig } from '#lib/contract/config.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { AgentConfig } from '../config.ts'
import type { ApiKey } from './api-key.ts'
import type { StreamSign } from './config-stream.ts'
import { Connection } from './connection.ts'
import type { ControllerLink, Registration } from './controller-link.ts'
import type { Holding } from './holding.ts'
import { TransportTrust } from './transport-trust.ts'

/** What following stands on. */
export interface FollowerOptions {
  readonly config: Pick<AgentConfig, 'controllerUrl' | 'pollIntervalSeconds' | 'waitSeconds'>
  /** What it sends; it may change. */
  readonly key: Pick<ApiKey, 'current' | 'look'>
  readonly link: ControllerLink
  readonly holding: Holding
  /** Told each time the agent has registered and holds what is latest. */
  readonly onConnected?: (registration: Registration) => void
  /** Told each time it has registered beside what is under way. */
  readonly onRegistered?: (registration: Registration) => void
  /** Told the id of a key that has ended, as relays are. */
  readonly onKeyEnded?: (keyId: string) => void
  readonly logger: Logger
  readonly clock: Clock
}

/** For how long a stream that says nothing is taken to be one that would bring news at once, in ms: a heartbeat, and a little. */
const HEARD_MS = 17_000

/** Whether a controller refuses the key, or what is done with it. */
const isRefusal = (error: unknown): boolean => error instanceof PeerError && (error.status === 401 || error.status === 403)

/**
 * Follows the controller: registers, fetches at once, then follows by stream where it can, else by long poll, else by
 * polling.
 * Every failure leads back to the start after a backoff, for ever.
 */
export class Follower {
  readonly #options: FollowerOptions
  readonly #connection: Connection
  readonly #streams = new TransportTrust()
  readonly #longPolls = new TransportTrust()
  #registration: Registration | undefined
  /** Ends the connection under way, or the wait for the next, so that another is begun at once. */
  #anew = new AbortController()
  /** The stream that tells of the ends of keys: since when without a gap, and when it was heard of last, by the monotonic clock. */
  #heard: { readonly count: number; readonly since: number; at: number } | undefined

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#connection = new Connection({ url: options.config.controllerUrl, logger: options.logger, clock: options.clock })
  }

  /** The config held; undefined before the first. */
  get held(): ReceivedConfig | undefined {
    return this.#options.holding.held?.config
  }

  /** The id the controller gave; undefined before the first registration. */
  get agentId(): string | undefined {
    return this.#registration?.agentId
  }

  /** What the last registration gave; undefined before the first. */
  get registration(): Registration | undefined {
    return this.#registration
  }

  /** Seconds between polls: the config's, else the registration's, else the environment's. */
  get pollIntervalSeconds(): number {
    const named = this.held?.poll_interval_seconds ?? this.#registration?.pollIntervalSeconds
    return named !== undefined && named > 0 ? named : this.#options.config.pollIntervalSeconds
  }

  /** How it stands with the controller. */
  get status(): AgentStatus['controller'] {
    return this.#connection.status
  }

  /** How often it has connected, and how often that or following failed, since the start. */
  get figures(): Connection['figures'] {
    return this.#connection.figures
  }

  /** For how long it has had no way to the controller, itself or behind the relay that it follows, in ms; null where it has one. */
  get cutOffMs(): number | null {
    return this.#connection.cutOffMs
  }

  /**
   * Since when it has been told without a gap which keys have ended, by the monotonic clock; undefined where it may miss
   * some now, or follows in another way.
   */
  get hearsSince(): number | undefined {
    return this.#heard !== undefined && this.#options.clock.monotonic() - this.#heard.at < HEARD_MS ? this.#heard.since : undefined
  }

  /** There is another key. Where it follows, what is under way goes on; where it waits to try again, it waits no longer. */
  async keyChanged(): Promise<void> {
    if (this.#connection.status.state === 'following') await this.registerBeside()
    else this.#anew.abort()
  }

  /** Registers with the present key beside what is under way: so the agent is that key's from now on. Never rejects. */
  async registerBeside(): Promise<void> {
    const { link, logger, onRegistered } = this.#options
    try {
      this.#registration = await link.register(this.#anew.signal)
      logger.info('http', 'registered with the present key; what is under way goes on with the one before')
      onRegistered?.(this.#registration)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (isRefusal(error)) logger.warn('http', 'the controller refuses the present key; what is under way goes on with the one before', { reason })
    }
  }

  /** Registers again and follows from there: where the controller has forgotten this agent. */
  beginAnew(): void {
    this.#anew.abort()
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#options.holding.endsWith(signal)
    while (!signal.aborted) {
      this.#anew = new AbortController()
      const { signal: anew } = this.#anew
      const either = AbortSignal.any([signal, anew])
      const { current: key } = this.#options.key
      try {
        await this.#connect(either)
        for (;;) await this.#step(either)
      } catch (error) {
        if (signal.aborted) break
        if (!anew.aborted && !(await this.#hasOtherKey(key, error))) await this.#connection.backOff(error, this.pollIntervalSeconds * 1000, either)
      }
    }
    this.#connection.enter('stopped')
  }

  /** Whether something failed for its key, and there is another by now: then there is nothing to wait for. */
  async #hasOtherKey(key: string, error: unknown): Promise<boolean> {
    if (!isRefusal(error)) return false
    await this.#options.key.look()
    return this.#options.key.current !== key
  }

  /** Registers and fetches at once: never a whole interval of nothing. */
  async #connect(signal: AbortSignal): Promise<void> {
    const { link, holding, logger } = this.#options
    this.#connection.enter('registering')
    this.#registration = await link.register(signal)
    await holding.take(await link.fetch(holding.held, {}, signal))
    this.#connection.following()
    logger.info('init', 'registered, following the controller', { agent_id: this.#registration.agentId, version: this.held?.version })
    this.#options.onConnected?.(this.#registration)
  }

  /** One stream, one long poll, or one interval and a poll: the best way that the controller offers and that works. */
  async #step(signal: AbortSignal): Promise<void> {
    const offered = this.#registration?.capabilities
    if (offered?.has('stream') && this.#streams.usable) await this.#followStream(signal)
    else if (offered?.has('wait') && this.#longPolls.usable) await this.#longPoll(signal)
    else await this.#poll(signal)
  }

  /** Follows the stream; that it ends is a reason to begin anew. */
  async #followStream(signal: AbortSignal): Promise<void> {
    const { link, holding, logger } = this.#options
    this.#connection.via = 'stream'
    try {
      await link.stream(
        holding.held,
        async (sign) => {
          await this.#take(sign)
        },
        signal,
      )
    } catch (error) {
      this.#heard = undefined
      if (!signal.aborted && this.#streams.failed()) logger.warn('http', 'streams keep failing, following by long poll or polling for a while')
      throw error
    }
  }

  async #take(sign: StreamSign): Promise<void> {
    const now = this.#options.clock.monotonic()
    this.#streams.worked()
    if (this.#heard) this.#heard.at = now
    if (sign.kind === 'config') await this.#options.holding.take(sign)
    else if (sign.kind === 'key ended') this.#options.onKeyEnded?.(sign.keyId)
    else {
      this.#connection.relaySays(sign.relayCutOffMs)
      const { keysCount: count } = sign
      if (count === null) this.#heard = undefined
      else if (this.#heard?.count !== count) this.#heard = { count, since: now, at: now }
    }
  }

  async #longPoll(signal: AbortSignal): Promise<void> {
    const { link, holding, clock, config, logger } = this.#options
    this.#connection.via = 'wait'
    const started = clock.monotonic()
    try {
      const outcome = await link.fetch(holding.held, { waitSeconds: config.waitSeconds }, signal)
      const elapsed = clock.monotonic() - started
      // A 200 with what is held already (a proxy that changes or strips ETags) is no news either.
      if (await holding.take(outcome)) this.#longPolls.worked()
      else if (this.#longPolls.cameBack(elapsed, config.waitSeconds * 1000)) {
        logger.warn('http', 'long polls come back at once, polling at the interval for a while')
        return
      }
      this.#streams.steppedWithout()
    } catch (error) {
      if (!signal.aborted && this.#longPolls.failed()) logger.warn('http', 'long polls keep failing, polling at the interval for a while')
      throw error
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { link, holding, clock } = this.#options
    this.#connection.via = 'poll'
    // A little early rather than late, and not all agents of a fleet at the same moment.
    await clock.sleep(this.pollIntervalSeconds * 1000 * (1 - 0.1 * clock.random()), signal)
    signal.throwIfAborted()
    await holding.take(await link.fetch(holding.held, {}, signal))
    this.#longPolls.steppedWithout()
    this.#streams.steppedWithout()
  }
}
