/** One life of a relay: what it said of held connections holds until it starts anew. */
export interface RelaySession {
  readonly relayId: string
  readonly id: string
  /** When the relay was found to have started anew, monotonic ms; {@link LONG_OVER} where that was before this start. */
  endedAt: number | undefined
  /** Whether the relay was heard of in it; not so one that was only loaded. */
  confirmed: boolean
}

/** The end of a session that was over when this controller started: those it held were last alive when that was saved. */
const LONG_OVER = Number.NEGATIVE_INFINITY

/** Of how many relays that are not registered the sessions are kept: of those that are about to be, and no more. */
const MAX_STRANGERS = 1000

/**
 * The sessions of all relays. Agents point at the session in which their relay said that they are connected, so that
 * a relay that starts anew costs one field, and not a pass over those below it.
 */
export class RelaySessions {
  readonly #isKnown: (relayId: string) => boolean
  /** By relay, its open sessions by id: more than one only where they were loaded and the relay was not heard of since. */
  readonly #open = new Map<string, Map<string, RelaySession>>()
  /** Relays that have sessions and were not registered then, longest ago first. */
  readonly #strangers = new Set<string>()

  /** @param isKnown whether a relay is registered: whoever has a key may name any number that are not */
  constructor(isKnown: (relayId: string) => boolean) {
    this.#isKnown = isKnown
  }

  /** Of how many relays there are sessions. */
  get size(): number {
    return this.#open.size
  }

  /** The session of a relay by this id, as it was stored: the same one for as long as it is open. */
  at(relayId: string, id: string): RelaySession {
    const sessions = this.#open.get(relayId) ?? new Map<string, RelaySession>()
    this.#open.set(relayId, sessions)
    const session = sessions.get(id) ?? { relayId, id, endedAt: undefined, confirmed: false }
    sessions.set(id, session)
    return session
  }

  /**
   * The session of a relay that was opened last; one without a name where it never named any.
   * @param now monotonic ms
   */
  current(relayId: string, now: number): RelaySession {
    const last = [...(this.#open.get(relayId)?.values() ?? [])].at(-1) ?? this.at(relayId, '')
    last.confirmed = true
    this.#bound(relayId, now)
    return last
  }

  /**
   * Takes the session that a relay is in: all others of it are over.
   * @param now monotonic ms
   */
  enter(relayId: string, id: string, now: number): void {
    for (const session of this.#open.get(relayId)?.values() ?? []) if (session.id !== id) this.#end(session, now)
    this.at(relayId, id).confirmed = true
    this.#bound(relayId, now)
  }

  /**
   * Notes that a relay was deleted. One that is still there registers again and is in the same session, so that those
   * below it need not say anything.
   * @param now monotonic ms
   */
  forget(relayId: string, now: number): void {
    if (this.#open.has(relayId)) this.#bound(relayId, now)
  }

  /** Keeps the sessions of those that are not registered few: the oldest are over. */
  #bound(relayId: string, now: number): void {
    this.#strangers.delete(relayId)
    if (this.#isKnown(relayId)) return
    this.#strangers.add(relayId)
    const [oldest] = this.#strangers
    if (oldest === undefined || this.#strangers.size <= MAX_STRANGERS) return
    this.#strangers.delete(oldest)
    // It may have registered since.
    if (this.#isKnown(oldest)) return
    for (const session of this.#open.get(oldest)?.values() ?? []) session.endedAt = session.confirmed ? now : LONG_OVER
    this.#open.delete(oldest)
  }

  #end(session: RelaySession, now: number): void {
    session.endedAt = session.confirmed ? now : LONG_OVER
    this.#open.get(session.relayId)?.delete(session.id)
  }
}
