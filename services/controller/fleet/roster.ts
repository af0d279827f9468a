import type { AgentRecord } from './record.ts'

/** A place in the order of the inventory. */
export type Place = Pick<AgentRecord, 'registeredAt' | 'id'>

/** Whether one place is behind another. */
const isBehind = (a: Place, b: Place): boolean => a.registeredAt > b.registeredAt || (a.registeredAt === b.registeredAt && a.id > b.id)

/** All agents, by id and in the order of their registration, which no change of an agent moves. */
export class Roster {
  readonly #byId = new Map<string, AgentRecord>()
  readonly #order: AgentRecord[]

  /** @param records those there are at the start, in any order */
  constructor(records: readonly AgentRecord[]) {
    this.#order = [...records].sort((a, b) => (isBehind(a, b) ? 1 : -1))
    for (const record of this.#order) this.#byId.set(record.id, record)
  }

  /** How many there are. */
  get size(): number {
    return this.#byId.size
  }

  /** An agent by id. */
  get(id: string): AgentRecord | undefined {
    return this.#byId.get(id)
  }

  /** All of them; agents may come and go while this is walked, over as many turns as it takes. */
  all(): Iterable<AgentRecord> {
    return this.#byId.values()
  }

  /** The agent at a place of the order, counted from 0. */
  at(index: number): AgentRecord | undefined {
    return this.#order[index]
  }

  /** The index of the first agent behind a place; its own agent need not be there any more. */
  indexBehind(place: Place): number {
    let low = 0
    let high = this.#order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const record = this.#order[middle]
      if (record !== undefined && isBehind(record, place)) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Adds an agent that is not there. */
  add(record: AgentRecord): void {
    this.#byId.set(record.id, record)
    this.#order.splice(this.indexBehind(record), 0, record)
  }

  /** Takes an agent out. */
  remove(record: AgentRecord): void {
    this.#byId.delete(record.id)
    this.#order.splice(this.indexBehind(record) - 1, 1)
  }
}
