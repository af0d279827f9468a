import type { SqliteDatabase } from '../../sqlite/open.ts'
import { MAX_RETRY_DELAY_MS } from '../port.ts'
import type { Tally } from './tally.ts'

/** A hit that has not ended, as it is read. */
export interface HitRow {
  readonly seq: number
  readonly task_id: string
  /** When it is or was due, ms; with `seq` its place in line. */
  readonly at: number
  /** How often it was given to a processor since it was queued, by hand or not. */
  readonly starts: number
  readonly attempts: number
  /** JSON of the attempts that were charged; null where there is none. */
  readonly history: string | null
  readonly job: string
}

/** A hit that was claimed: what is needed to run it, and to end it. */
export interface ClaimedRow extends HitRow {
  readonly payload: number
  readonly crashes: number
  readonly retried: number
  readonly key: string | null
}

/** A claim: what of its row is needed to give it back or to end it, and the token that allows it. */
export type Lease = Pick<ClaimedRow, 'seq' | 'task_id' | 'payload' | 'key'> & { readonly token: string }

/** A hit to be queued. */
export interface NewHit {
  readonly task_id: string
  readonly job: string
  /** When it is due, ms. */
  readonly at: number
  readonly key: string | null
}

/** Where a hit that has not ended stands: never taken, taken before, or being run. */
type State = 'fresh' | 'again' | 'leased'

/** Where a page begins: behind the hit that has this place. */
export interface Place {
  readonly time: number
  readonly seq: number
}

const columns = 'seq, task_id, at, starts, attempts, history, (SELECT job FROM payload WHERE id = hit.payload) AS job'
const claimed = `${columns}, payload, crashes, retried, key`
/** The order of the line. */
const inLine = (a: Pick<HitRow, 'seq' | 'at'>, b: Pick<HitRow, 'seq' | 'at'>): number => a.at - b.at || a.seq - b.seq

/** Ends a claim: only who holds it may. */
const giveBack = `UPDATE hit SET token = NULL, state = 'again'`

/** The statements over hits that have not ended, in domain words. All are synchronous; who calls decides on the transaction. */
export function hitRows(db: SqliteDatabase, tally: Tally) {
  const insertPayload = db.prepare<[string]>('INSERT INTO payload (job) VALUES (?)')
  const removePayload = db.prepare<[number | bigint]>('DELETE FROM payload WHERE id = ?')
  const insert = db.prepare<[string, number | bigint, number, string | null]>(
    'INSERT INTO hit (task_id, payload, at, key) VALUES (?, ?, ?, ?) ON CONFLICT (task_id) DO NOTHING',
  )
  const due = db.prepare<[State, number, number], Pick<HitRow, 'seq' | 'at'>>('SELECT seq, at FROM hit WHERE state = ? AND at <= ? ORDER BY at, seq LIMIT ?')
  const lease = db.prepare<[string, number], ClaimedRow>(`UPDATE hit SET token = ?, state = 'leased', starts = starts + 1 WHERE seq = ? RETURNING ${claimed}`)
  const earliest = db.prepare<[State], Pick<HitRow, 'seq' | 'at'>>('SELECT seq, at FROM hit WHERE state = ? ORDER BY at, seq LIMIT 1')
  const jobOf = db.prepare<[number], string>('SELECT job FROM hit JOIN payload ON payload.id = hit.payload WHERE seq = ?').pluck()
  const charge = db.prepare<[number, string | null, number, string]>(`${giveBack}, attempts = attempts + 1, at = ?, history = ? WHERE seq = ? AND token = ?`)
  const release = db.prepare<[number | null, number, string]>(`${giveBack}, at = coalesce(?, at) WHERE seq = ? AND token = ?`)
  const leased = db.prepare<[], ClaimedRow & { token: string }>(`SELECT ${claimed}, token FROM hit WHERE state = 'leased' ORDER BY at, seq`)
  const crash = db.prepare<[number, number, string]>(`${giveBack}, crashes = crashes + 1, at = min(at, ?) WHERE seq = ? AND token = ?`)
  const dueBy = db.prepare<[number, State, number]>('UPDATE hit SET at = ? WHERE state = ? AND at > ?')
  const find = db.prepare<[string], HitRow>(`SELECT ${columns} FROM hit WHERE task_id = ? AND state IN ('fresh', 'again', 'leased')`)
  const count = db.prepare<[State], number>('SELECT count(*) FROM hit WHERE state = ?').pluck()
  const countDue = db.prepare<[number, number], number>(`SELECT count(*) FROM hit WHERE state = 'again' AND at > ? AND at < ?`).pluck()
  const nextDue = db.prepare<[number], number>(`SELECT min(at) FROM hit WHERE state = 'again' AND at >= ?`).pluck()
  const page = db.prepare<[State, number, number, number], HitRow>(`SELECT ${columns} FROM hit WHERE state = ? AND (at, seq) > (?, ?) ORDER BY at, seq LIMIT ?`)

  const first = () => [earliest.get('fresh'), earliest.get('again')].filter((place) => place !== undefined).sort(inLine)[0]
  const givenBack = (changes: number) => tally.add({ leased: -changes, waiting: changes })
  return {
    /** @returns false where that task is known already */
    insert({ task_id, job, at, key }: NewHit): boolean {
      const payload = insertPayload.run(job).lastInsertRowid
      const { changes } = insert.run(task_id, payload, at, key)
      if (changes === 0) removePayload.run(payload)
      tally.add({ waiting: changes })
      return changes === 1
    },
    /** Leases up to `limit` hits that are due, first in first out. Hit by hit: one statement for all took three times as long. */
    claim(token: string, time: number, limit: number): ClaimedRow[] {
      const places = [...due.all('fresh', time, limit), ...due.all('again', time, limit)].sort(inLine)
      const rows: ClaimedRow[] = []
      for (const { seq } of places.slice(0, limit)) {
        const row = lease.get(token, seq)
        if (row !== undefined) rows.push(row)
      }
      tally.add({ waiting: -rows.length, leased: rows.length })
      return rows
    },
    /** When the waiting hit that is first in line is or was due; undefined where none waits. */
    nextAt: (): number | undefined => first()?.at,
    /** The job of the hit that is first in line, where one is due at `time`. */
    firstDue(time: number): string | undefined {
      const place = first()
      return place === undefined || place.at > time ? undefined : jobOf.get(place.seq)
    },
    /** Gives a hit back, charged. */
    charge: ({ seq, token }: Lease, runAt: number, history: string | null) => givenBack(charge.run(runAt, history, seq, token).changes),
    /** Gives a hit back, uncharged; without `runAt` to the place in line that it had. */
    release: ({ seq, token }: Lease, runAt: number | null) => givenBack(release.run(runAt, seq, token).changes),
    /** All that is leased, whoever holds it. */
    leased: () => leased.all(),
    /** Gives a hit back whose worker died, to the place in line that it had: it was due, whatever the clock says now. */
    crash: ({ seq, token }: Pick<Lease, 'seq' | 'token'>, time: number) => givenBack(crash.run(time, seq, token).changes),
    /** Undoes a clock that was ahead of this one: makes new hits due, and lets no retry wait for longer than a retry may. */
    unfuture(time: number): void {
      dueBy.run(time, 'fresh', time)
      const latest = time + MAX_RETRY_DELAY_MS
      dueBy.run(latest, 'again', latest)
    },
    find: (taskId: string) => find.get(taskId),
    /** Counts every row: once, at the start. */
    count: (): { readonly waiting: number; readonly leased: number } => ({
      waiting: (count.get('fresh') ?? 0) + (count.get('again') ?? 0),
      leased: count.get('leased') ?? 0,
    }),
    /** How many that ran before are due after `from` and before `to`. */
    countDue: (from: number, to: number): number => countDue.get(from, to) ?? 0,
    /** When the next that ran before is due, from `time` on. */
    nextDue: (time: number): number | undefined => nextDue.get(time) ?? undefined,
    /** Hits that no worker has taken, behind that place in line. */
    queued: ({ time, seq }: Place, limit: number): HitRow[] => page.all('fresh', time, seq, limit),
    /** Hits that a worker has, or had before, behind that place in line. */
    pending: ({ time, seq }: Place, limit: number): HitRow[] =>
      [...page.all('again', time, seq, limit), ...page.all('leased', time, seq, limit)].sort(inLine).slice(0, limit),
  }
}
export type HitRows = ReturnType<typeof hitRows>
