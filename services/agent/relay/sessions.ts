/** How many relays below are remembered. */
const MAX_RELAYS = 1000

/** By relay, the id that it made at its present start. */
export class Sessions {
  readonly #own: readonly [string, string]
  readonly #below = new Map<string, string>()

  constructor(ownId: string, session: string) {
    this.#own = [ownId, session]
  }

  /**
   * Takes what a relay below says.
   * @returns the relays that have started anew: what they said of connections before is over
   */
  take(sessions: Readonly<Record<string, string>>): ReadonlySet<string> {
    const restarted = new Set<string>()
    for (const [relayId, session] of Object.entries(sessions)) {
      const known = this.#below.get(relayId)
      if (known !== undefined && known !== session) restarted.add(relayId)
      if (known !== undefined || this.#below.size < MAX_RELAYS) this.#below.set(relayId, session)
    }
    return restarted
  }

  /**
   * Those of this relay and of the relays below.
   * @param isBelow whether a relay is below this one at present: of one that has moved away another speaks now
   */
  current(isBelow: (relayId: string) => boolean): Record<string, string> {
    return Object.fromEntries([...[...this.#below].filter(([relayId]) => isBelow(relayId)), this.#own])
  }

  /** Forgets the relays that are not known any more. */
  forget(isKnown: (relayId: string) => boolean): void {
    for (const relayId of this.#below.keys()) if (!isKnown(relayId)) this.#below.delete(relayId)
  }
}
