import { type HitStatus, isFinalStatus } from '../../contract/hit.ts'
import type { HitListPage, StoredHit } from '../port.ts'
import type { Place } from './hit-rows.ts'
import type { EngineParts } from './parts.ts'
import { endedHit, unfinishedHit } from './stored-hit.ts'

/** Hits read in one go: a long page must not hold the event loop. */
const SLICE = 100

/** The places before the first hit: of a line, and of those that ended, which are read backwards. */
const FIRST: Place = { time: -1, seq: -1 }
const LAST: Place = { time: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER }

/** A hit and its place among those of its state. */
interface Placed {
  readonly hit: StoredHit
  readonly place: Place
}

const cursorOf = (state: HitStatus, { time, seq }: Place): string => `${state}.${time}.${seq}`

/** The place that a cursor of this state names; undefined where it names none. */
function placeOf(state: HitStatus, cursor: string): Place | undefined {
  const [, name, time, seq] = /^(\w+)\.(\d{1,15})\.(\d{1,15})$/.exec(cursor) ?? []
  return name === state ? { time: Number(time), seq: Number(seq) } : undefined
}

/** The hits of a state behind a place, in its order. */
function slice({ hits, endings, clock }: EngineParts, state: HitStatus, place: Place, limit: number): Placed[] {
  if (isFinalStatus(state)) {
    const rows = endings.page({ state, place, now: clock.now(), limit })
    return rows.map((row) => ({ hit: endedHit(row), place: { time: row.at, seq: row.seq } }))
  }
  const rows = state === 'queued' ? hits.queued(place, limit) : hits.pending(place, limit)
  return rows.map((row) => ({ hit: unfinishedHit(row), place: { time: row.at, seq: row.seq } }))
}

/**
 * Lists hits, as `HitQueue.list` says. A cursor is the place of the last hit of a page, so that hits which come and go
 * before it move nobody.
 * @throws QueueUnavailableError
 */
export async function listHits(
  parts: EngineParts,
  { state, cursor, limit }: { readonly state: HitStatus; readonly cursor?: string; readonly limit: number },
): Promise<HitListPage> {
  const { writer, clock, closed } = parts
  let place = (cursor === undefined ? undefined : placeOf(state, cursor)) ?? (isFinalStatus(state) ? LAST : FIRST)
  const found: StoredHit[] = []
  for (;;) {
    const wanted = Math.min(SLICE, limit - found.length)
    const from = place
    // One more than is wanted shows whether there is a next page.
    const rows = writer.read(() => slice(parts, state, from, wanted + 1))
    for (const { hit, place: reached } of rows.slice(0, wanted)) {
      found.push(hit)
      place = reached
    }
    const last = rows.length <= wanted
    if (last || found.length >= limit) {
      // What is told as final stays so, whatever happens to this host.
      if (isFinalStatus(state)) await writer.synced()
      return { hits: found, ...(last ? {} : { next: cursorOf(state, place) }) }
    }
    await clock.sleep(0, closed)
  }
}
