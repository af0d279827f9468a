import { DEFAULT_POLL_INTERVAL_SECONDS } from '#lib/contract/config.ts'
import type { ConfigFeed } from '#lib/distribution/feed.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { AgentRecord } from './record.ts'
import type { Roster } from './roster.ts'

/** An agent is offline when it was silent for so many of its intervals. */
const INTERVALS = 3
/** How many relays are followed upwards: more is no tree, and a circle has no end. */
export const MAX_HOPS = 16

/** The fleet at one moment: what a whole pass is measured by. */
export interface Look {
  /** Monotonic ms. */
  readonly now: number
  readonly latest: number | null
  /** How long an agent with the latest config may be silent, in ms. */
  readonly silenceMs: number
  /** The same for one that still holds an older config, whose interval may be longer. */
  readonly olderSilenceMs: number
}

/** Who is online: one whose connection is held, who was heard of lately, or whom a relay that is online itself holds. */
export class Liveness {
  readonly #roster: Pick<Roster, 'get'>
  readonly #feed: Pick<ConfigFeed, 'current'>
  readonly #clock: Pick<Clock, 'monotonic'>
  /** Silences of earlier intervals, longest first, each with until when it may still be kept to, monotonic ms. */
  #longer: readonly { readonly silenceMs: number; readonly until: number }[] = []

  constructor(options: { readonly roster: Pick<Roster, 'get'>; readonly feed: Pick<ConfigFeed, 'current'>; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#roster = options.roster
    this.#feed = options.feed
    this.#clock = options.clock
  }

  /**
   * Notes that the interval is about to change: those who poll keep to the one before until they have read the new one,
   * and must not seem offline meanwhile. A publish prolongs only the interval that is in force at it: those of earlier
   * ones run out, however often is published.
   */
  beforePublish(): void {
    const { now, silenceMs } = this.look()
    this.#longer = [...this.#longer.filter((one) => one.until > now && one.silenceMs > silenceMs), { silenceMs, until: now + silenceMs }]
  }

  /** The moment. */
  look(): Look {
    const now = this.#clock.monotonic()
    const { current } = this.#feed
    const silenceMs = INTERVALS * (current?.config.poll_interval_seconds ?? DEFAULT_POLL_INTERVAL_SECONDS) * 1000
    const longer = this.#longer.find(({ until }) => until > now)?.silenceMs ?? 0
    return { now, latest: current?.version ?? null, silenceMs, olderSilenceMs: Math.max(silenceMs, longer) }
  }

  /** Whether an agent is online. */
  online(record: AgentRecord, look: Look, hops = 0): boolean {
    if (record.connections > 0) return true
    const silence = record.heldVersion === look.latest ? look.silenceMs : look.olderSilenceMs
    if (look.now - record.lastSeen < silence) return true
    const { session } = record
    if (session === undefined || hops === MAX_HOPS) return false
    if (session.endedAt !== undefined) return look.now - session.endedAt < silence
    const relay = this.#roster.get(session.relayId)
    return relay !== undefined && this.online(relay, look, hops + 1)
  }

  /** When an agent was last known to be alive, monotonic ms: one that a relay holds is alive for as long as the relay. */
  lastSeen(record: AgentRecord, now: number, hops = 0): number {
    if (record.connections > 0) return now
    const { session } = record
    if (session === undefined || hops === MAX_HOPS) return record.lastSeen
    if (session.endedAt !== undefined) return Math.max(record.lastSeen, session.endedAt)
    const relay = this.#roster.get(session.relayId)
    return relay === undefined ? record.lastSeen : Math.max(record.lastSeen, this.lastSeen(relay, now, hops + 1))
  }
}
