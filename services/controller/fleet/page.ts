import type { AgentsPage, AgentsQuery } from '#lib/contract/inventory.ts'
import { invalidPart } from '#lib/http/errors.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Liveness, Look } from './liveness.ts'
import { FirstPlaces, orderOf, sortedCursor, sortedPlace } from './order.ts'
import type { AgentRecord } from './record.ts'
import type { Place, Roster } from './roster.ts'
import type { Passes } from './slices.ts'
import { agentView, stateOf } from './view.ts'

/** Agents a page where the query names no limit. */
const DEFAULT_LIMIT = 100
/** Before every agent. */
const BEGINNING: Place = { registeredAt: Number.NEGATIVE_INFINITY, id: '' }

/** A place as a cursor: opaque, so that nobody counts on what is in it. */
const cursorOf = ({ registeredAt, id }: Place): string => Buffer.from(`${registeredAt}:${id}`).toString('base64url')

/**
 * The place that a cursor names.
 * @throws ApiError INVALID_REQUEST for what is no cursor of ours
 */
function placeOf(cursor: string): Place {
  const [, time, id] = /^(-?\d{1,16}):(.{1,64})$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  const place = time === undefined || id === undefined ? undefined : { registeredAt: Number(time), id }
  // Base64 is read leniently: only what we would have written ourselves is taken.
  if (place === undefined || cursorOf(place) !== cursor) throw invalidPart('query.cursor', 'expected next_cursor as the page before gave it')
  return place
}

/** @param text in small letters */
const isFoundIn = ({ id, registration }: AgentRecord, text: string): boolean =>
  registration.hostname.toLowerCase().includes(text) || id.toLowerCase().includes(text) || registration.ip_address.toLowerCase().includes(text)

/** Whether an agent meets all filters of a query. */
function filterOf(query: AgentsQuery, look: Look, liveness: Liveness): (record: AgentRecord) => boolean {
  const { state, online, version, label, relay } = query
  const q = query.q?.toLowerCase()
  const colon = label?.indexOf(':') ?? -1
  const [key, value] = [label?.slice(0, colon), label?.slice(colon + 1)]
  return (record) =>
    (state === undefined || stateOf(record, look.latest) === state) &&
    (version === undefined || record.appliedVersion === version) &&
    (relay === undefined || record.relayId === relay) &&
    (q === undefined || isFoundIn(record, q)) &&
    (key === undefined || record.registration.labels[key] === value) &&
    (online === undefined || liveness.online(record, look) === (online === 'true'))
}

/** What pages are read from. */
export interface PageParts {
  readonly roster: Roster
  readonly liveness: Liveness
  readonly passes: Passes
  readonly clock: Clock
}

/**
 * A page of the inventory. Cursors name a place and no index: every agent that is there throughout, and whose place does not
 * change, comes exactly once, whoever comes and goes between the pages.
 * @throws ApiError INVALID_REQUEST for a cursor that is none
 */
export const readPage = (query: AgentsQuery, parts: PageParts): Promise<AgentsPage> =>
  (query.sort ?? 'registered') === 'registered' && query.count !== 'true' ? readInOrder(query, parts) : readSorted(query, parts)

/** A page in the order of registration, which is kept: what comes before the page is not looked at. */
async function readInOrder(query: AgentsQuery, { roster, liveness, passes, clock }: PageParts): Promise<AgentsPage> {
  const place = query.cursor === undefined ? BEGINNING : placeOf(query.cursor)
  const slices = await passes.begin()
  const look = liveness.look()
  const isWanted = filterOf(query, look, liveness)
  const limit = query.limit ?? DEFAULT_LIMIT
  const found: AgentRecord[] = []
  let index = roster.indexBehind(place)
  // One more than the page holds says whether there is a next one.
  for (let record = roster.at(index); record !== undefined && found.length <= limit; record = roster.at(index)) {
    if (isWanted(record)) found.push(record)
    index++
    if (!slices.due()) continue
    await slices.next()
    // Agents may have come and gone in that turn.
    index = roster.indexBehind(record)
  }
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return {
    agents: page.map((record) => agentView(record, look, liveness, clock)),
    ...(found.length > limit && last !== undefined ? { next_cursor: cursorOf(last) } : {}),
  }
}

/** A page in another order, or with the count of all: one look at each agent, whatever page it is. */
async function readSorted(query: AgentsQuery, { roster, liveness, passes, clock }: PageParts): Promise<AgentsPage> {
  const slices = await passes.begin()
  const look = liveness.look()
  const order = orderOf(query.sort, look, liveness)
  const isKept = order.name === 'registered'
  const { cursor } = query
  const behind = cursor === undefined ? undefined : isKept ? { value: 0, ...placeOf(cursor) } : sortedPlace(order, cursor)
  const isWanted = filterOf(query, look, liveness)
  const limit = query.limit ?? DEFAULT_LIMIT
  const first = new FirstPlaces<AgentRecord>(order, limit + 1)
  let total = 0
  for (const record of roster.all()) {
    if (slices.due()) await slices.next()
    if (!isWanted(record)) continue
    total++
    const place = order.place(record)
    if (behind === undefined || order.compare(behind, place) < 0) first.add(place, record)
  }
  const page = first.all.slice(0, limit)
  const last = page.at(-1)
  const next = first.all.length > limit && last !== undefined ? (isKept ? cursorOf(last.item) : sortedCursor(order, last.place)) : undefined
  return {
    agents: page.map(({ item }) => agentView(item, look, liveness, clock)),
    ...(next === undefined ? {} : { next_cursor: next }),
    ...(query.count === 'true' ? { total } : {}),
  }
}
