/** One life of a relay: what it said of held connections holds until it starts anew. */
export interface RelaySession {
  readonly relayId: string
  readonly id: string
  /** When the relay was found to have started anew, monotonic ms. */
  endedAt: number | undefined
}

/**
 * The sessions of all relays. Agents point at the session in which their relay said that they are connected, so that
 * a relay that starts anew costs one field, and not a pass over those below it.
 */
export class RelaySessions {
  /** By relay, its open sessions by id: more than one only where they were loaded and the relay was not heard of since. */
  readonly #open = new Map<string, Map<string, RelaySession>>()

  /** The session of a relay by this id. */
  at(relayId: string, id: string): RelaySession {
    const sessions = this.#open.get(relayId) ?? new Map<string, RelaySession>()
    this.#open.set(relayId, sessions)
    const session = sessions.get(id) ?? { relayId, id, endedAt: undefined }
    sessions.set(id, session)
    return session
  }

  /** The session of a relay that was opened last; one without a name where it never named any. */
  current(relayId: string): RelaySession {
    const last = [...(this.#open.get(relayId)?.values() ?? [])].at(-1)
    return last ?? this.at(relayId, '')
  }

  /**
   * Takes the session that a relay is in: all others of it are over.
   * @param now monotonic ms
   */
  enter(relayId: string, id: string, now: number): void {
    for (const session of this.#open.get(relayId)?.values() ?? []) {
      if (session.id === id) continue
      session.endedAt = now
      this.#open.get(relayId)?.delete(session.id)
    }
    this.at(relayId, id)
  }
}
