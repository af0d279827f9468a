import type { RegisterRequest, RelayStatus } from '#lib/contract/agent.ts'
import { type Config, ConfigSchema, DEFAULT_POLL_INTERVAL_SECONDS, type ReceivedConfig } from '#lib/contract/config.ts'
import type { Batch, BatchAccepted, Report } from '#lib/contract/fleet.ts'
import { ConfigFeed } from '#lib/distribution/feed.ts'
import type { Roll } from '#lib/distribution/followers.ts'
import { HeldByKey } from '#lib/distribution/held-by-key.ts'
import { claimOf, maySpeakFor, notYours } from '#lib/distribution/ownership.ts'
import { parentOf, refuseLoop, relayPathOf } from '#lib/distribution/relay-path.ts'
import { ConfigStreams } from '#lib/distribution/streams.ts'
import type { AskingKeyRing, HeaderReader } from '#lib/http/auth.ts'
import { type Caller, may } from '#lib/http/caller.ts'
import { ApiError } from '#lib/http/errors.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Registration } from '../sync/controller-link.ts'
import type { Follower } from '../sync/follower.ts'
import type { Holding } from '../sync/holding.ts'
import { KeyVerdicts } from './key-verdicts.ts'
import type { KnownKeys } from './known-keys.ts'
import { Roster } from './roster.ts'
import { type Upstream, upstreamUnavailable } from './upstream.ts'
import { Upward } from './upward.ts'

/** After how long without its controller a relay says so to its followers, in ms: a restart is over sooner. */
const CUT_OFF_TOLD_MS = 10_000

/** How often it is looked at whether a verdict on a key is over, in ms: with the 30 s that one lasts, a key is heard of in time. */
const KEY_CHECK_MS = 1000

/** What a relay stands on. */
export interface RelayOptions {
  /** Its own id, which is that of its agent. */
  readonly ownId: string
  /** Its own key, which is known to be good once its controller has taken it. */
  readonly apiKey: () => string
  readonly upstream: Upstream
  readonly known: KnownKeys
  readonly logger: Logger
  readonly clock: Clock
}

/** The agent that a relay is, beside: what follows, and what is held. */
export interface Followed {
  readonly follower: Pick<Follower, 'status' | 'registration' | 'cutOffMs'>
  readonly holding: Pick<Holding, 'confirm'>
}

/**
 * A relay: serves the config that its agent holds to agents below it, by the same routes as a controller, and tells its
 * controller of them.
 */
export class Relay implements Roll, AskingKeyRing {
  readonly feed: ConfigFeed
  readonly streams: ConfigStreams
  readonly roster: Roster
  readonly keys: KeyVerdicts
  /** The connections that are held for each key. */
  readonly held = new HeldByKey()
  readonly #options: RelayOptions
  readonly #upward: Upward
  #followed: Followed | undefined
  #stopping: AbortSignal = new AbortController().signal

  constructor(options: RelayOptions) {
    const { logger, clock, ownId, upstream } = options
    this.#options = options
    this.feed = new ConfigFeed(undefined, { onError: (error) => logger.error('http', 'a watcher failed and was dropped', { err: error }), clock })
    const intervalMs = () => (this.feed.current?.config.poll_interval_seconds ?? DEFAULT_POLL_INTERVAL_SECONDS) * 1000
    const latest = () => this.feed.current?.version ?? null
    this.roster = new Roster({ ownId, intervalMs, latest, onNews: () => this.#upward.wake(), clock })
    this.#upward = new Upward({ roster: this.roster, upstream, ownId, logger, clock })
    this.streams = new ConfigStreams({ feed: this.feed, presence: this.roster, held: this.held, logger, cutOffMs: () => this.#cutOffMs })
    this.keys = new KeyVerdicts({
      ask: (key, path) => upstream.caller(key, path),
      known: options.known,
      onGone: (keyId) => {
        this.held.end(keyId)
        this.streams.tellKeyGone(keyId)
      },
      clock,
    })
  }

  /** Whether it cannot reach its controller at this moment. */
  get cutOff(): boolean {
    return this.#followed?.follower.status.state !== 'following'
  }

  /** For how long its followers have no way to the controller, in ms; null where they do. */
  get #cutOffMs(): number | null {
    const ms = this.#followed?.follower.cutOffMs ?? null
    return ms !== null && ms >= CUT_OFF_TOLD_MS ? ms : null
  }

  /** What `/status` shows of it. */
  get status(): RelayStatus {
    const { known, unsent } = this.roster.figures
    const streams = this.streams.open
    // Streams that have just ended may still be counted among the one and not among the other.
    const waiting = Math.max(0, this.feed.hub.watchers - streams)
    return { enabled: true, followers: known, streams, waiting, cut_off: this.cutOff, unsent, last_error: this.#upward.lastError }
  }

  /** This relay and those above it, nearest to the agent first. */
  get path(): readonly string[] {
    return [this.#options.ownId, ...(this.#followed?.follower.registration?.relayPath ?? [])]
  }

  /** Says which agent it is the relay of; before anything is served. */
  follow(followed: Followed): void {
    this.#followed = followed
  }

  /** Serves a config from now on. */
  adopt(config: ReceivedConfig): void {
    this.feed.adopt(config)
  }

  /** Its agent has registered. */
  connected(registration: Registration): void {
    this.keys.wasAccepted(this.#options.apiKey())
    this.#upward.connected(registration.capabilities)
  }

  /** Its controller accepts a key no more. */
  keyGone(keyId: string): void {
    this.keys.gone(keyId)
  }

  /** Asks again about keys for which connections are held: one that follows by polling hears of nothing else. */
  async #watchKeys(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(KEY_CHECK_MS, signal)
      if (!signal.aborted && !this.cutOff) await this.keys.renew(this.held.ids, [this.#options.ownId])
    }
  }

  /** Tells the controller of its followers until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#stopping = signal
    await Promise.all([this.#upward.run(signal), this.#watchKeys(signal)])
  }

  /**
   * Whose a key is, asking the controller where need be. The question goes round in a loop too, and before any
   * registration: so it is refused by its path as well.
   * @throws ApiError RELAY_LOOP, UPSTREAM_UNAVAILABLE, OVERLOADED
   */
  async caller(key: string, headers: HeaderReader): Promise<Caller | undefined> {
    const { ownId } = this.#options
    const path = relayPathOf(headers.get('x-relay-path') ?? undefined)
    refuseLoop(path, ownId)
    return this.keys.caller(key, [...path, ownId])
  }

  /** Brings the feed up to date with the controller's own word. */
  async revalidate(): Promise<void> {
    const action = 'ask the controller for its latest config'
    const { follower, holding } = this.#followed ?? {}
    if (!holding || this.cutOff) throw upstreamUnavailable(action, new PeerError(follower?.status.last_error ?? 'it is not connected yet'))
    try {
      const { kind } = await holding.confirm()
      // What is held is not what the controller says, so it is no answer to this question.
      if (kind === 'none') throw new ApiError('NOT_FOUND', 'no config available', { headers: { 'Cache-Control': 'no-cache' } })
    } catch (error) {
      throw error instanceof PeerError ? upstreamUnavailable(action, error) : error
    }
  }

  /** The config of a version: the one held, or what the controller says. */
  async version(version: number): Promise<Config | undefined> {
    const held = ConfigSchema.safeParse(this.feed.current?.config)
    if (held.success && held.data.version === version) return held.data
    try {
      return await this.#options.upstream.version(version)
    } catch (error) {
      throw error instanceof PeerError ? upstreamUnavailable('read the config', error) : error
    }
  }

  /**
   * Takes a registration. One that comes from a relay is passed on at once: a loop shows only where it is followed to its end.
   * @throws ApiError RELAY_LOOP; OVERLOADED where there is no room for another agent
   */
  async register(agentId: string, request: RegisterRequest, path: readonly string[], caller: Caller): Promise<void> {
    const { ownId, upstream, logger } = this.#options
    refuseLoop(path, ownId)
    const isPassedOn = path.length > 1 && may(caller, 'batch')
    if (!isPassedOn) this.#mustOwn(agentId, caller, 'register the agent')
    if (path.length > 0) {
      try {
        await upstream.register(request, [...path, ownId], this.#stopping)
      } catch (error) {
        if (!(error instanceof PeerError)) throw error
        logger.warn('http', 'the registration of a relay cannot be passed on now; it is taken here and told later', { reason: error.message })
      }
    }
    this.roster.register(agentId, request, parentOf(agentId, path), isPassedOn ? undefined : claimOf(caller))
  }

  async report(agentId: string, report: Report, caller: Caller): Promise<boolean> {
    this.#mustOwn(agentId, caller, 'report for the agent')
    return this.roster.report(agentId, report)
  }

  #mustOwn(agentId: string, caller: Caller, action: string): void {
    if (!maySpeakFor(caller, this.roster.ownerOf(agentId))) throw notYours(action, agentId)
  }

  async batch(relayId: string | undefined, batch: Batch): Promise<BatchAccepted> {
    return this.roster.batch(relayId, batch)
  }
}
