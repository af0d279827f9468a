import type { RegisterRequest } from '#lib/contract/agent.ts'
import type { Batch, BatchAccepted, BatchedAgent, Report } from '#lib/contract/fleet.ts'
import type { Presence, Sign } from '#lib/distribution/followers.ts'
import { maySpeakFor } from '#lib/distribution/ownership.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Agenda } from './agenda.ts'
import { endConnectionsBelow, enrol, takeFromBelow } from './below.ts'
import { hear, moveTo, takeReport } from './direct.ts'
import { type Entry, NEVER } from './entry.ts'
import { Members, noRoom } from './members.ts'
import { News, type NewsBounds } from './news.ts'
import { Sessions } from './sessions.ts'

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

  constructor(options: RosterOptions) {
    const { clock, maxFollowers } = options
    this.#options = options
    this.#clock = clock
    this.#members = new Members({ clock, onForgotten: (entry) => this.#forgotten(entry), ...(maxFollowers === undefined ? {} : { max: maxFollowers }) })
    this.#sessions = new Sessions(options.ownId, clock.uuid())
    this.#agenda = new Agenda(this.#members, clock.monotonic())
  }

  /** How many agents are known, of how many there is news, and how many connections have just ended. */
  get figures(): { readonly known: number; readonly unsent: number; readonly leaving: number } {
    return { known: this.#members.size, unsent: this.#news.size, leaving: this.#agenda.leaving }
  }

  seen(sign: Sign): void {
    const entry = this.#members.getOrAdd(sign.agentId)
    // Another's key says nothing of this agent.
    if (!entry || !maySpeakFor(sign.caller, entry.owner)) return
    const now = this.#clock.monotonic()
    // A plain read beside a held connection does not say that it follows by polling, nor that it follows this relay.
    const { connected, via } = entry
    if (!connected) moveTo(entry, undefined)
    const due = !connected && now - entry.toldAt > SIGN_SHARE * this.#options.intervalMs()
    if (hear(entry, connected && via ? { ...sign, via } : sign, now) || due) this.#tell(entry)
  }

  attach(sign: Sign, drop?: () => void): () => void {
    const entry = this.#members.getOrAdd(sign.agentId)
    if (!entry || !maySpeakFor(sign.caller, entry.owner)) return () => {}
    moveTo(entry, undefined)
    const changed = hear(entry, sign, this.#clock.monotonic()) || !entry.connected
    entry.connections++
    entry.connected = true
    this.#agenda.stays(entry)
    if (drop) entry.drops.add(drop)
    if (changed) this.#tell(entry)
    return () => {
      if (drop) entry.drops.delete(drop)
      entry.heardAt = this.#clock.monotonic()
      if (--entry.connections > 0 || this.#members.get(entry.agentId) !== entry) return
      const isFirst = this.#agenda.leaving === 0
      this.#agenda.leaves(entry, entry.heardAt)
      // Where others are leaving it will be looked at anyway: whole fleets renew their long polls.
      if (isFirst) this.#options.onNews()
    }
  }

  /**
   * Takes a registration.
   * @param relayId the relay below that the agent follows; absent: it follows this one
   * @param owner the name of the key that it came with; absent: as before
   * @throws ApiError OVERLOADED where there is no room for another agent
   */
  register(agentId: string, registration: RegisterRequest, relayId?: string, owner?: string): void {
    const entry = this.#members.getOrAdd(agentId)
    if (!entry) throw noRoom(this.#members.size)
    enrol(entry, registration)
    entry.owner = owner ?? entry.owner
    moveTo(entry, relayId)
    entry.heardAt = this.#clock.monotonic()
    this.#tell(entry)
  }

  /** The name of the keys that an agent belongs to; undefined: nobody's. */
  ownerOf(agentId: string): string | undefined {
    return this.#members.get(agentId)?.owner
  }

  /** Takes an agent's report; false where the agent is not known. */
  report(agentId: string, report: Report): boolean {
    const entry = this.#members.get(agentId)
    if (!entry) return false
    takeReport(entry, report, this.#options.latest(), this.#clock.monotonic())
    this.#tell(entry)
    return true
  }

  /** Takes what a relay below says of the agents below it; those that are not known must come with their registration. */
  batch(relayId: string | undefined, batch: Batch): BatchAccepted {
    const now = this.#clock.monotonic()
    const restarted = this.#sessions.take(batch.sessions ?? {})
    if (restarted.size > 0) endConnectionsBelow(this.#members, restarted)
    const unknown: string[] = []
    for (const agent of batch.agents) {
      const entry = takeFromBelow(this.#members, agent, agent.relay_id ?? relayId, now)
      if (entry) this.#tell(entry)
      else unknown.push(agent.agent_id)
    }
    return { accepted: batch.agents.length - unknown.length, unknown }
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
    for (const drop of [...entry.drops]) drop()
  }
}
