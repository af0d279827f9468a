import type { AgentsPage, AgentsQuery } from '#lib/contract/inventory.ts'
import { invalidPart } from '#lib/http/errors.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Liveness, Look } from './liveness.ts'
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

/** Whether an agent meets all filters of a query. */
function filterOf(query: AgentsQuery, look: Look, liveness: Liveness): (record: AgentRecord) => boolean {
  const { state, online, version, label } = query
  const colon = label?.indexOf(':') ?? -1
  const [key, value] = [label?.slice(0, colon), label?.slice(colon + 1)]
  return (record) =>
    (state === undefined || stateOf(record, look.latest) === state) &&
    (version === undefined || record.appliedVersion === version) &&
    (key === undefined || record.registration.labels[key] === value) &&
    (online === undefined || liveness.online(record, look) === (online === 'true'))
}

/**
 * A page of the inventory in the order of registration. Cursors name a place and no index: every agent that is there
 * throughout comes exactly once, whoever comes and goes between the pages.
 * @throws ApiError INVALID_REQUEST for a cursor that is none
 */
export async function readPage(
  query: AgentsQuery,
  { roster, liveness, passes, clock }: { readonly roster: Roster; readonly liveness: Liveness; readonly passes: Passes; readonly clock: Clock },
): Promise<AgentsPage> {
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
