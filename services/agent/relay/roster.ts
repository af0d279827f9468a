import { isDeepStrictEqual } from 'node:util'
import type { RegisterRequest } from '#lib/contract/agent.ts'
import type { Batch, BatchAccepted, BatchedAgent, Report } from '#lib/contract/fleet.ts'
import type { Presence, Sign } from '#lib/distribution/followers.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { type Entry, NEVER } from './entry.ts'
import { Members } from './members.ts'
import { News, type NewsBounds } from './news.ts'
import { Sessions } from './sessions.ts'

/** For how long a connection may be over, in ms, before that is news: a long poll is renewed at once. */
const LEAVING_MS = 2000
/** A polling agent comes a little before its interval is over: then it is news that it is alive. */
const SIGN_SHARE = 0.8

/** How a roster is bounded and timed. */
export interface RosterOptions {
  /** The relay's own id. */
  readonly ownId: string
  /** The poll interval of the followers, in ms. */
  readonly intervalMs: () => number
  /** Called where there is something to tell the controller, or to look at again in a moment. */
  readonly onNews: () => void
  readonly clock: Pick<Clock, 'monotonic' | 'uuid'>
  readonly maxFollowers?: number
}

/**
 * The agents below a relay: what each said last, and which of it the controller has not been told. The newest state
 * wins; what has not changed is not told again.
 */
export class Roster implements Presence {
  readonly #options: RosterOptions
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #members: Members
  readonly #sessions: Sessions
  readonly #news = new News()
  /** Whose last connection has ended, and when that becomes news. */
  readonly #leaving = new Map<Entry, number>()

  constructor(options: RosterOptions) {
    const { clock, maxFollowers } = options
    this.#options = options
    this.#clock = clock
    this.#members = new Members({ clock, onForgotten: (entry) => this.#forgotten(entry), ...(maxFollowers === undefined ? {} : { max: maxFollowers }) })
    this.#sessions = new Sessions(options.ownId, clock.uuid())
  }

  /** How many agents are known, of how many there is news, and how many connections have just ended. */
  get figures(): { readonly known: number; readonly unsent: number; readonly leaving: number } {
    return { known: this.#members.size, unsent: this.#news.size, leaving: this.#leaving.size }
  }

  seen(sign: Sign): void {
    const entry = this.#direct(sign.agentId)
    if (!entry) return
    const held = entry.connections > 0 || this.#leaving.has(entry)
    const due = !held && this.#clock.monotonic() - entry.toldAt > SIGN_SHARE * this.#options.intervalMs()
    if (this.#hear(entry, sign) || due) this.#tell(entry)
  }

  attach(sign: Sign, drop?: () => void): () => void {
    const entry = this.#direct(sign.agentId)
    if (!entry) return () => {}
    const changed = this.#hear(entry, sign) || !entry.connected
    entry.connections++
    entry.connected = true
    this.#leaving.delete(entry)
    if (drop) entry.drops.add(drop)
    if (changed) this.#tell(entry)
    return () => {
      if (drop) entry.drops.delete(drop)
      entry.heardAt = this.#clock.monotonic()
      if (--entry.connections > 0 || this.#members.get(entry.agentId) !== entry) return
      this.#leaving.set(entry, entry.heardAt + LEAVING_MS)
      this.#options.onNews()
    }
  }

  /**
   * Takes a registration.
   * @param relayId the relay below that the agent follows; absent: it follows this one
   */
  register(agentId: string, registration: RegisterRequest, relayId?: string): void {
    const entry = this.#direct(agentId)
    if (!entry) return
    this.#enrol(entry, registration)
    Object.assign(entry, { relayId, heardAt: this.#clock.monotonic() })
    this.#tell(entry)
  }

  /** Takes an agent's report; false where the agent is not known. */
  report(agentId: string, report: Report): boolean {
    const entry = this.#members.get(agentId)
    if (!entry) return false
    // What its worker was given it holds; a stream says nothing of that.
    Object.assign(entry, { report, reportUnsent: true, held: report.version, heardAt: this.#clock.monotonic() })
    this.#tell(entry)
    return true
  }

  /** Takes what a relay below says of the agents below it; those that are not known must come with their registration. */
  batch(relayId: string | undefined, batch: Batch): BatchAccepted {
    const now = this.#clock.monotonic()
    const restarted = this.#sessions.take(batch.sessions ?? {})
    if (restarted.size > 0) {
      for (const entry of this.#members.all()) if (entry.relayId !== undefined && restarted.has(entry.relayId)) entry.connected = entry.connections > 0
    }
    const unknown = batch.agents.filter((agent) => !this.#takeBatched(agent, agent.relay_id ?? relayId, now)).map(({ agent_id }) => agent_id)
    return { accepted: batch.agents.length - unknown.length, unknown }
  }

  /** The next news for the controller, oldest first; it counts as told until {@link giveBack} says otherwise. */
  take(bounds: NewsBounds): Batch {
    const sessions = this.#sessions.current()
    const ownBytes = Buffer.byteLength(JSON.stringify({ sessions, agents: [] }))
    return { sessions, agents: this.#news.take({ ...bounds, maxBytes: bounds.maxBytes - ownBytes }, this.#clock.monotonic()) }
  }

  /** The controller has not taken it: it is news again, in the state that it has by then. */
  giveBack(agents: readonly BatchedAgent[]): void {
    for (const agent of agents) {
      const entry = this.#members.get(agent.agent_id)
      if (entry) this.#news.giveBack(entry, agent)
    }
  }

  /** The controller does not know an agent: it gets the registration, and where there is none the agent begins anew. */
  unknown({ agent_id, registration }: BatchedAgent): void {
    const entry = this.#members.get(agent_id)
    // One that came with its registration is unknown for another reason; saying it again would not help.
    if (!entry || registration !== undefined) return
    if (entry.registration) {
      entry.registrationUnsent = true
      this.#tellAgain(entry)
    } else this.#members.forget(entry)
  }

  /** Everything is news: the controller may be another, or may have forgotten who is connected. */
  tellAll(): void {
    for (const entry of this.#members.all()) this.#tellAgain(entry)
  }

  /** Makes it news where a connection has ended for good. */
  settle(): void {
    const now = this.#clock.monotonic()
    for (const [entry, at] of this.#leaving) {
      if (at > now) continue
      this.#leaving.delete(entry)
      entry.connected = false
      this.#tell(entry)
    }
  }

  /** Forgets those that were silent for a day. */
  forgetSilent(): void {
    this.#members.forgetSilent()
    this.#sessions.forget((relayId) => this.#members.get(relayId) !== undefined)
  }

  /** The agent of an id that follows this relay itself; undefined where there is no room for it. */
  #direct(agentId: string): Entry | undefined {
    const entry = this.#members.getOrAdd(agentId)
    if (entry) entry.relayId = undefined
    return entry
  }

  /** Notes what a request says; true where it is news. */
  #hear(entry: Entry, { heldVersion, via }: Sign): boolean {
    const held = heldVersion ?? entry.held
    const changed = held !== entry.held || via !== entry.via || entry.toldAt === NEVER
    Object.assign(entry, { held, via, heardAt: this.#clock.monotonic() })
    return changed
  }

  #enrol(entry: Entry, registration: RegisterRequest): void {
    entry.registrationUnsent ||= !isDeepStrictEqual(entry.registration, registration)
    entry.registration = registration
  }

  #takeBatched(agent: BatchedAgent, relayId: string | undefined, now: number): boolean {
    const known = this.#members.get(agent.agent_id)
    if (!known?.registration && !agent.registration) return false
    const entry = known ?? this.#members.getOrAdd(agent.agent_id)
    if (!entry) return true
    if (agent.registration) this.#enrol(entry, agent.registration)
    const heardAt = now - agent.age_ms
    // An agent that has gone over to another relay: what the one before says of it later is about the past.
    const isPast = known !== undefined && known.relayId !== relayId && ((known.connected && !agent.connected) || heardAt < known.heardAt)
    if (!isPast) {
      const connected = entry.connections > 0 || agent.connected === true
      Object.assign(entry, { relayId, held: agent.held_version, via: agent.via, connected, heardAt })
      if (agent.report) Object.assign(entry, { report: agent.report, reportUnsent: true })
    }
    this.#tell(entry)
    return true
  }

  #tellAgain(entry: Entry): void {
    entry.reportUnsent = entry.report !== undefined
    this.#tell(entry)
  }

  #tell(entry: Entry): void {
    this.#news.add(entry)
    this.#options.onNews()
  }

  #forgotten(entry: Entry): void {
    this.#news.delete(entry)
    this.#leaving.delete(entry)
    for (const drop of [...entry.drops]) drop()
  }
}
