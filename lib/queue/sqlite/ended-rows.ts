import type { HitResult } from '../../contract/hit.ts'
import type { SqliteDatabase } from '../../sqlite/open.ts'
import type { Lease, Place } from './hit-rows.ts'
import type { Tally } from './tally.ts'

/** How a hit ended: its last state. */
export type EndedState = 'completed' | 'failed'
const ends = ['completed', 'failed'] as const

/** An ended hit, as a list or a retry needs it. */
export interface EndedRow {
  readonly seq: number
  readonly task_id: string
  readonly payload: number
  readonly state: EndedState
  /** When it expires, ms since the epoch. */
  readonly at: number
  readonly key: string | null
  readonly job: string
  /** The result without its body. */
  readonly json: string
}

/** What is needed to remove an ended hit. */
type ExpiredRow = Pick<EndedRow, 'seq' | 'payload' | 'state'>

/** A page of ended hits: its state, where it begins, and the time by which they have expired. */
export interface EndedPage {
  readonly state: EndedState
  readonly place: Place
  readonly now: number
  readonly limit: number
}

const table = 'hit JOIN payload ON payload.id = hit.payload JOIN outcome ON outcome.id = hit.payload'
const ended = "state IN ('completed', 'failed') AND at > ?"
const columns = 'seq, task_id, payload, state, at, key, job, json'

/** The statements over ended hits, in domain words. All are synchronous; who calls decides on the transaction. */
export function endedRows(db: SqliteDatabase, tally: Tally) {
  const end = db.prepare<[EndedState, number, number, string]>('UPDATE hit SET token = NULL, state = ?, at = ? WHERE seq = ? AND token = ?')
  const store = db.prepare<[number, string, string | null]>('INSERT INTO outcome (id, json, body) VALUES (?, ?, ?)')
  const find = db.prepare<[string, number], { json: string; body: string | null }>(
    `SELECT json, body FROM hit JOIN outcome ON outcome.id = hit.payload WHERE task_id = ? AND ${ended}`,
  )
  const findBefore = db.prepare<[string, number], string>('SELECT json FROM result WHERE task_id = ? AND expires_at > ?').pluck()
  const get = db.prepare<[string, number], EndedRow>(`SELECT ${columns} FROM ${table} WHERE task_id = ? AND ${ended}`)
  const again = db.prepare<[number, string | null, number]>(
    `UPDATE hit SET seq = (SELECT max(seq) + 1 FROM hit), at = ?, history = ?, state = 'fresh',
       retried = 1, starts = 0, attempts = 0, crashes = 0 WHERE seq = ?`,
  )
  const removeOutcome = db.prepare<[number]>('DELETE FROM outcome WHERE id = ?')
  const removePayload = db.prepare<[number]>('DELETE FROM payload WHERE id = ?')
  const of = 'state = @state AND at > @now'
  const page = db.prepare<Omit<EndedPage, 'place'> & Place, EndedRow>(
    `SELECT ${columns} FROM ${table} WHERE ${of} AND (at, seq) < (@time, @seq) ORDER BY at DESC, seq DESC LIMIT @limit`,
  )
  const oldest = db
    .prepare<Omit<EndedPage, 'place'> & Place, string>(`SELECT task_id FROM hit WHERE ${of} AND (at, seq) <= (@time, @seq) ORDER BY at, seq LIMIT @limit`)
    .pluck()
  const count = db.prepare<[EndedState], number>('SELECT count(*) FROM hit WHERE state = ?').pluck()
  const countExpired = db.prepare<[EndedState, number], number>('SELECT count(*) FROM hit WHERE state = ? AND at <= ?').pluck()
  const expired = db.prepare<[EndedState, number, number], ExpiredRow>('SELECT seq, payload, state FROM hit WHERE state = ? AND at <= ? ORDER BY at LIMIT ?')
  const remove = db.prepare<[number]>('DELETE FROM hit WHERE seq = ?')
  const purgeBefore = db.prepare<[number, number]>('DELETE FROM result WHERE rowid IN (SELECT rowid FROM result WHERE expires_at <= ? LIMIT ?)')

  return {
    /**
     * Ends a hit with its result.
     * @param expiresAt until when it is kept
     * @returns false where the lease is lost
     */
    end({ seq, payload, token }: Lease, state: EndedState, { body, ...result }: HitResult, expiresAt: number): boolean {
      if (end.run(state, expiresAt, seq, token).changes === 0) return false
      store.run(payload, JSON.stringify(result), body === undefined ? null : JSON.stringify(body))
      tally.add({ leased: -1, [state]: 1 })
      return true
    },
    /** @returns the JSON of its whole result */
    find(taskId: string, now: number): string | undefined {
      const row = find.get(taskId, now)
      if (row === undefined) return findBefore.get(taskId, now)
      // The body is JSON by itself, and the object before it is never empty.
      return row.body === null ? row.json : `${row.json.slice(0, -1)},"body":${row.body}}`
    },
    get: (taskId: string, now: number): EndedRow | undefined => get.get(taskId, now),
    /** Queues an ended hit again, at the end of the line; its result goes. */
    again({ seq, payload, state }: EndedRow, at: number, history: string | null): void {
      again.run(at, history, seq)
      removeOutcome.run(payload)
      tally.add({ [state]: -1, waiting: 1 })
    },
    /** Those that ended before the one at `place`, the last ended first. */
    page: ({ place, ...rest }: EndedPage): EndedRow[] => page.all({ ...rest, ...place }),
    /** The ids of the longest ended, up to the one at `place`. */
    oldest: ({ place, ...rest }: EndedPage): string[] => oldest.all({ ...rest, ...place }),
    /** Counts every row: once, at the start. */
    count: (): Readonly<Record<EndedState, number>> => ({ completed: count.get('completed') ?? 0, failed: count.get('failed') ?? 0 }),
    /** Rows whose hour is over, and which the purge has not met yet. */
    countExpired: (state: EndedState, now: number): number => countExpired.get(state, now) ?? 0,
    /** Some of the rows whose hour is over. */
    expired: (now: number, limit: number): ExpiredRow[] => ends.flatMap((state) => expired.all(state, now, limit)).slice(0, limit),
    /** Removes an ended hit with all that belongs to it. */
    remove({ seq, payload, state }: ExpiredRow): void {
      remove.run(seq)
      removePayload.run(payload)
      removeOutcome.run(payload)
      tally.add({ [state]: -1 })
    },
    /** Removes expired results of the schema before. @returns how many went */
    purgeBefore: (now: number, limit: number): number => purgeBefore.run(now, limit).changes,
  }
}
export type EndedRows = ReturnType<typeof endedRows>
