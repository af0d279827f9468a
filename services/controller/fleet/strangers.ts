import type { AgentRecord } from './record.ts'

/** What is known of one without a registration: its held connections, and what it said when it opened them. */
type Stranger = Pick<AgentRecord, 'connections' | 'drops' | 'via' | 'heldVersion'>

/**
 * Connections of agents that are not known: one that was deleted, or that registers only after it has begun to follow.
 * They are kept for as long as the connection, so that its registration finds them.
 */
export class Strangers {
  readonly #byId = new Map<string, Stranger>()

  /** Notes connections of one who is not known. */
  add(id: string, { connections, drops, via, heldVersion }: Stranger): void {
    const stranger = this.#byId.get(id)
    if (stranger === undefined) this.#byId.set(id, { connections, drops, via, heldVersion })
    else {
      stranger.connections += connections
      stranger.drops = [...stranger.drops, ...drops]
      stranger.via = via
      stranger.heldVersion = heldVersion
    }
  }

  /** Notes that a connection is over. */
  leave(id: string, drop: (() => void) | undefined): void {
    const stranger = this.#byId.get(id)
    if (stranger === undefined) return
    stranger.drops = stranger.drops.filter((one) => one !== drop)
    if (--stranger.connections === 0) this.#byId.delete(id)
  }

  /** Hands the connections of one who is known now over to its record. */
  adopt(record: AgentRecord): void {
    const stranger = this.#byId.get(record.id)
    if (stranger === undefined) return
    this.#byId.delete(record.id)
    record.connections = stranger.connections
    record.drops = stranger.drops
    record.via = stranger.via
    record.heldVersion = stranger.heldVersion
  }
}
