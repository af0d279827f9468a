import type { RegisterRequest } from '#lib/contract/agent.ts'
import type { Batch, BatchAccepted, BatchedAgent, Report } from '#lib/contract/fleet.ts'
import type { Presence, Sign } from '#lib/distribution/followers.ts'
import type { Drop } from '#lib/distribution/key-connections.ts'
import { claimOf, maySpeakFor, notItsOwner, type Owner, ownerAfter } from '#lib/distribution/ownership.ts'
import { mustRegister } from '#lib/distribution/watch.ts'
import type { Caller } from '#lib/http/caller.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Agenda } from './agenda.ts'
import { endConnectionsBelow, enrol, takeFromBelow } from './below.ts'
import { hear, moveTo, takeReport } from './direct.ts'
import { type Entry, NEVER } from './entry.ts'
import { Members, noRoom } from './members.ts'
import { News, type NewsBounds } from './news.ts'
import { Refusals } from './refusals.ts'
import { Sessions } from './sessions.ts'

/** What is to be done when a connection is over that did not count. */
const nothing = (): void => {}

/** A polling agent comes a little before its interval is over: then it is news that it is alive. */
const SIGN_SHARE = 0.8

/** How a roster is bounded and timed. */
export interface RosterOptions {
  /** The relay's own id. */
  readonly ownId: string
  /** The poll interval of the followers, in ms. */
  readonly intervalMs: () => number
  /** The version that the relay serves; null before its first. */
  readonly latest: () => number | null
  /** Whether a key of a name is known that may register agents. */
  readonly ownsAgents: (name: string) => boolean
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
  readonly #agenda: Agenda
  readonly #refusals: Refusals

  constructor(options: RosterOptions) {
    const { clock, maxFollowers } = options
    this.#options = options
    this.#clock = clock
    this.#members = new Members({ clock, onForgotten: (entry) => this.#forgotten(entry), ...(maxFollowers === undefined ? {} : { max: maxFollowers }) })
    this.#sessions = new Sessions(options.ownId, clock.uuid())
    this.#agenda = new Agenda(this.#members, clock.monotonic())
    this.#refusals = new Refusals(clock)
  }

  /** How many agents are known, of how many there is news, and how many connections have just ended. */
  get figures(): { readonly known: number; readonly unsent: number; readonly leaving: number } {
    return { known: this.#members.size, unsent: this.#news.size, leaving: this.#agenda.leaving }
  }

  seen(sign: Sign): void {
    const entry = this.#heardOf(sign)
    if (!entry) return
    const now = this.#clock.monotonic()
    // A plain read beside a held connection does not say that it follows by polling, nor that it follows this relay.
    const { connected, via } = entry
    if (!connected) moveTo(entry, undefined)
    const due = !connected && now - entry.toldAt > SIGN_SHARE * this.#options.intervalMs()
    if (hear(entry, connected && via ? { ...sign, via } : sign, now) || due) this.#tell(entry)
  }

  attach(sign: Sign, drop: Drop): () => void {
    const entry = this.#heardOf(sign)
    if (!entry) return nothing
    moveTo(entry, undefined)
    const changed = hear(entry, sign, this.#clock.monotonic()) || !entry.connected
    entry.connected = true
    this.#agenda.stays(entry)
    entry.drops.set(drop, sign.caller)
    if (changed) this.#tell(entry)
    return () => {
      if (!entry.drops.delete(drop)) return
      entry.heardAt = this.#clock.monotonic()
      if (entry.drops.size > 0 || this.#members.get(entry.agentId) !== entry) return
      const isFirst = this.#agenda.leaving === 0
      this.#agenda.leaves(entry, entry.heardAt)
      // Where others are leaving it will be looked at anyway: whole fleets renew their long polls.
      if (isFirst) this.#options.onNews()
    }
  }

  /**
   * Takes a registration.
   * @param claim in whose name
   * @param relayId the relay below that the agent follows; absent: it follows this one
   * @throws ApiError NOT_PERMITTED where the agent is another's; OVERLOADED where there is no room for another agent
   */
  register(agentId: string, registration: RegisterRequest, claim: Owner, relayId?: string): void {
    const owner = this.#ownerAfter(agentId, claim)
    if (owner === undefined) throw notItsOwner('register', agentId)
    const entry = this.#members.getOrAdd(agentId)
    if (!entry) throw noRoom(this.#members.size)
    enrol(entry, registration, owner)
    moveTo(entry, relayId)
    entry.heardAt = this.#clock.monotonic()
    this.#tell(entry)
  }

  /**
   * Takes an agent's report; false where the agent is not known.
   * @throws ApiError NOT_PERMITTED where the agent is another's
   */
  report(agentId: string, report: Report, caller: Caller): boolean {
    const entry = this.#members.get(agentId)
    if (!this.#maySpeak(agentId, entry, caller)) throw notItsOwner('report', agentId)
    if (!entry) return false
    takeReport(entry, report, this.#options.latest(), this.#clock.monotonic())
    this.#tell(entry)
    return true
  }

  /**
   * Takes what a relay below says of the agents below it; those that are not known must come with their registration.
   * @throws ApiError NOT_PERMITTED where that relay is another's
   */
  batch(relayId: string | undefined, batch: Batch, caller: Caller): BatchAccepted {
    if (relayId !== undefined && !this.#maySpeak(relayId, this.#members.get(relayId), caller)) throw notItsOwner('report for the agents below a relay', relayId)
    const now = this.#clock.monotonic()
    const restarted = this.#sessions.take(batch.sessions ?? {})
    if (restarted.size > 0) endConnectionsBelow(this.#members, restarted)
    const unknown: string[] = []
    const anothers: string[] = []
    for (const agent of batch.agents) {
      const owner = this.#ownerAfter(agent.agent_id, agent.owner ?? null)
      const entry = owner === undefined ? undefined : takeFromBelow(this.#members, agent, agent.relay_id ?? relayId, owner, now)
      if (entry) this.#tell(entry)
      else (owner === undefined ? anothers : unknown).push(agent.agent_id)
    }
    const accepted = batch.agents.length - unknown.length - anothers.length
    return { accepted, unknown, ...(anothers.length > 0 ? { not_permitted: anothers } : {}) }
  }

  /** The next news for the controller, oldest first; it counts as told until {@link giveBack} says otherwise. */
  take(bounds: NewsBounds): Batch {
    const below = (relayId: string) => this.#members.get(relayId)?.connected === true
    const ownBytes = Buffer.byteLength(JSON.stringify({ sessions: this.#sessions.current(below), agents: [] }))
    const agents = this.#news.take({ ...bounds, maxBytes: bounds.maxBytes - ownBytes }, this.#clock.monotonic())
    // A relay of which the controller does not know yet that it is here would be taken for one that is elsewhere.
    return { sessions: this.#sessions.current((relayId) => below(relayId) && this.#members.get(relayId)?.toldAt !== NEVER), agents }
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
    if (!entry) return
    if (registration !== undefined) {
      // It could not be kept there, as with a full disk: that may last, so it is not said again at once.
      this.#agenda.tellLater(entry, this.#clock.monotonic())
      this.#options.onNews()
    } else if (entry.registration) {
      entry.registrationUnsent = true
      this.#tellAgain(entry)
    } else this.#members.forget(entry)
  }

  /** The controller says that an agent is another's than those who spoke for it here: that is undone, and their connections end. */
  anothers({ agent_id, owner }: BatchedAgent): void {
    if (owner === undefined) return
    this.#refusals.add(agent_id, owner)
    const entry = this.#members.get(agent_id)
    if (!entry) return
    for (const [drop, caller] of [...entry.drops]) if (claimOf(caller) === owner) drop(notItsOwner('hold the request', agent_id))
    this.#members.forget(entry)
  }

  /** A key has ended: what belonged to it may be taken by others. */
  keyEnded(): void {
    this.#refusals.clear()
  }

  /** Everything is news: the controller may be another, or may have forgotten who is connected. */
  tellAll(): void {
    for (const entry of this.#members.all()) this.#tellAgain(entry)
  }

  /** Makes news of what became news with time: connections that have ended for good, and what is to be said again. */
  settle(): void {
    for (const entry of this.#agenda.take(this.#clock.monotonic())) this.#news.add(entry)
  }

  /** In how many ms to {@link settle} again. */
  dueInMs(): number {
    return this.#agenda.dueInMs(this.#clock.monotonic())
  }

  /** Forgets those that were silent for a day. */
  forgetSilent(): void {
    this.#members.forgetSilent()
    this.#sessions.forget((relayId) => this.#members.get(relayId) !== undefined)
  }

  /** The agent that a sign is of; undefined where it is another's, or there is no room for it. */
  #heardOf({ agentId, caller }: Sign): Entry | undefined {
    return this.#maySpeak(agentId, this.#members.get(agentId), caller) ? this.#members.getOrAdd(agentId) : undefined
  }

  #maySpeak(agentId: string, entry: Entry | undefined, caller: Caller): boolean {
    return maySpeakFor(entry?.owner ?? null, caller) && !this.#refusals.has(agentId, claimOf(caller))
  }

  /** Whose an agent is after it was registered, or spoken for, in a name; undefined where it is another's. */
  #ownerAfter(agentId: string, claim: Owner): Owner | undefined {
    if (this.#refusals.has(agentId, claim)) return undefined
    return ownerAfter(this.#members.get(agentId)?.owner ?? null, claim, this.#options.ownsAgents)
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
    this.#agenda.forget(entry)
    for (const drop of [...entry.drops.keys()]) drop(mustRegister())
  }
}
