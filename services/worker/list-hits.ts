import type { HitStatus } from '#lib/contract/hit.ts'
import type { HitsPage, HitsQuery, ListedHit } from '#lib/contract/hits.ts'
import { invalidPart } from '#lib/http/errors.ts'
import type { StoredHit } from '#lib/queue/port.ts'
import type { WorkerDeps } from './deps.ts'
import { listedHit } from './hits/listed.ts'
import { askQueue } from './queue-errors.ts'

/** Hits a page where the query names no limit. */
const DEFAULT_LIMIT = 100
/** Hits that the queue is asked for at once. */
const CHUNK = 100
/** A page ends early beyond this size, in bytes of JSON: requests and histories can be long. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024

/** The order in which states are listed where the query names none: what is under way first. */
const order = ['pending', 'queued', 'failed', 'completed'] as const satisfies readonly HitStatus[]

/** Where a page begins: a state, and in it behind a place that the queue knows. */
interface Place {
  readonly state: HitStatus
  /** Absent: at the beginning. */
  readonly behind?: string
}

/** A place as a cursor: opaque, so that nobody counts on what is in it. */
const cursorOf = ({ state, behind = '' }: Place): string => Buffer.from(`${state}:${behind}`).toString('base64url')

/**
 * The place that a cursor names.
 * @throws ApiError INVALID_REQUEST for what is no cursor of ours, or is one of another state than was asked for
 */
function placeOf(cursor: string, asked: HitStatus | undefined): Place {
  const text = Buffer.from(cursor, 'base64url').toString()
  const state = order.find((one) => text.startsWith(`${one}:`))
  const place = state && { state, behind: text.slice(state.length + 1) }
  // Base64 is read leniently: only what we would have written ourselves is taken.
  if (place === undefined || cursorOf(place) !== cursor || (asked !== undefined && asked !== state))
    throw invalidPart('query.cursor', 'expected next_cursor as the page before gave it, with the same state')
  return place.behind === '' ? { state: place.state } : place
}

/** Some hits from a place on, and where those behind them begin; all states are read in turn where none was asked for. */
async function readFrom(
  queue: WorkerDeps['queue'],
  { state, behind }: Place,
  limit: number,
  all: boolean,
): Promise<{ hits: readonly StoredHit[]; next: Place | undefined }> {
  const { hits, next } = await askQueue('list the hits', () => queue.list({ state, limit, ...(behind === undefined ? {} : { cursor: behind }) }))
  if (next !== undefined) return { hits, next: { state, behind: next } }
  const following = all ? order[order.indexOf(state) + 1] : undefined
  return { hits, next: following && { state: following } }
}

/**
 * A page of hits, of one state or of all in turn.
 * @throws ApiError INVALID_REQUEST for a cursor that is none; RESULT_FETCH_FAILED where the queue cannot be asked
 */
export async function listHits({ queue }: Pick<WorkerDeps, 'queue'>, { state, cursor, limit = DEFAULT_LIMIT }: HitsQuery): Promise<HitsPage> {
  const hits: ListedHit[] = []
  let bytes = 0
  let place: Place | undefined = cursor === undefined ? { state: state ?? order[0] } : placeOf(cursor, state)
  while (place !== undefined && hits.length < limit && bytes < MAX_PAGE_BYTES) {
    const read = await readFrom(queue, place, Math.min(CHUNK, limit - hits.length), state === undefined)
    for (const hit of read.hits) {
      const shown = listedHit(hit)
      bytes += Buffer.byteLength(JSON.stringify(shown))
      hits.push(shown)
    }
    place = read.next
  }
  return { hits, ...(place === undefined ? {} : { next_cursor: cursorOf(place) }) }
}
