import type { Sign } from '#lib/distribution/followers.ts'
import { maySpeakFor } from '#lib/distribution/ownership.ts'
import type { AgentRecord, HeldConnection } from './record.ts'

/** A connection of one without a registration, and what was said when it was opened. */
interface Stranger extends Pick<Sign, 'via' | 'heldVersion'> {
  readonly connection: HeldConnection
}

/**
 * Connections of agents that are not known: one that was deleted, or that registers only after it has begun to follow.
 * They are kept for as long as the connection, so that its registration finds them.
 */
export class Strangers {
  readonly #byId = new Map<string, Stranger[]>()

  /** Notes a connection of one who is not known. */
  add(id: string, connection: HeldConnection, { via, heldVersion }: Pick<Sign, 'via' | 'heldVersion'>): void {
    const others = this.#byId.get(id)
    const stranger = { connection, via, heldVersion }
    if (others === undefined) this.#byId.set(id, [stranger])
    else others.push(stranger)
  }

  /** Notes that a connection is over. */
  leave(id: string, connection: HeldConnection): void {
    const left = (this.#byId.get(id) ?? []).filter((one) => one.connection !== connection)
    if (left.length === 0) this.#byId.delete(id)
    else this.#byId.set(id, left)
  }

  /** Hands the connections of one who is known now over to its record: those of keys that may speak for it. */
  adopt(record: AgentRecord): void {
    const its = (this.#byId.get(record.id) ?? []).filter(({ connection }) => maySpeakFor(record.owner, connection.caller))
    this.#byId.delete(record.id)
    const last = its.at(-1)
    if (last === undefined) return
    record.held = its.map(({ connection }) => connection)
    record.via = last.via
    record.heldVersion = last.heldVersion || null
  }
}
