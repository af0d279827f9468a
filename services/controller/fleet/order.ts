import { type AgentSort, type AgentsQuery, fleetStates } from '#lib/contract/inventory.ts'
import { invalidPart } from '#lib/http/errors.ts'
import type { Liveness, Look } from './liveness.ts'
import type { AgentRecord } from './record.ts'
import { stateOf } from './view.ts'

/** What agents are sorted by, besides their registration. */
type Value = string | number

/** A place in an order of the inventory: agents of one value stand in the order of their registration. */
export interface SortedPlace {
  readonly value: Value
  readonly registeredAt: number
  readonly id: string
}

/** An order of the inventory. */
export interface Order {
  readonly name: string
  place(record: AgentRecord): SortedPlace
  /** Negative where `a` comes before `b`. */
  compare(a: SortedPlace, b: SortedPlace): number
}

const compareValues = (a: Value, b: Value): number => (a < b ? -1 : a > b ? 1 : 0)

/** The order that a query asks for. */
export function orderOf(sort: AgentsQuery['sort'], look: Look, liveness: Liveness): Order {
  const name = sort ?? 'registered'
  const isDescending = name.startsWith('-')
  const by = (isDescending ? name.slice(1) : name) as AgentSort
  const sortValue: (record: AgentRecord) => Value = {
    registered: () => 0,
    hostname: ({ registration }: AgentRecord) => registration.hostname.toLowerCase(),
    version: ({ appliedVersion }: AgentRecord) => appliedVersion ?? -1,
    state: (record: AgentRecord) => fleetStates.indexOf(stateOf(record, look.latest)),
    last_seen: (record: AgentRecord) => {
      const seen = liveness.lastSeen(record, look.now)
      // Whoever is connected is seen all the time: they stand together.
      return seen >= look.now ? Number.MAX_SAFE_INTEGER : Math.round(seen)
    },
  }[by]
  const sign = isDescending ? -1 : 1
  return {
    name,
    place: (record) => ({ value: sortValue(record), registeredAt: record.registeredAt, id: record.id }),
    compare: (a, b) => sign * (compareValues(a.value, b.value) || a.registeredAt - b.registeredAt || compareValues(a.id, b.id)),
  }
}

/** A place as a cursor: opaque, so that nobody counts on what is in it. */
export const sortedCursor = ({ name }: Order, { value, registeredAt, id }: SortedPlace): string =>
  Buffer.from(JSON.stringify([name, value, registeredAt, id])).toString('base64url')

/**
 * The place that a cursor names.
 * @throws ApiError INVALID_REQUEST for what is no cursor of this order
 */
export function sortedPlace(order: Order, cursor: string): SortedPlace {
  const wrong = () => invalidPart('query.cursor', `expected next_cursor as the page before gave it, with the same sort (${order.name})`)
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    throw wrong()
  }
  if (!Array.isArray(parts)) throw wrong()
  const [, value, registeredAt, id]: readonly unknown[] = parts
  if ((typeof value !== 'string' && typeof value !== 'number') || typeof registeredAt !== 'number' || typeof id !== 'string') throw wrong()
  const place = { value, registeredAt, id }
  // Base64 is read leniently: only what we would have written ourselves is taken.
  if (sortedCursor(order, place) !== cursor) throw wrong()
  return place
}

/** The first places of an order, of all that are added: as many as a page holds, and one more. */
export class FirstPlaces<T> {
  readonly #order: Order
  readonly #size: number
  readonly all: { readonly place: SortedPlace; readonly item: T }[] = []

  constructor(order: Order, size: number) {
    this.#order = order
    this.#size = size
  }

  add(place: SortedPlace, item: T): void {
    const last = this.all.at(-1)
    if (this.all.length === this.#size && last !== undefined && this.#order.compare(last.place, place) <= 0) return
    let low = 0
    let high = this.all.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const one = this.all[middle]
      if (one !== undefined && this.#order.compare(one.place, place) <= 0) low = middle + 1
      else high = middle
    }
    this.all.splice(low, 0, { place, item })
    if (this.all.length > this.#size) this.all.pop()
  }
}
