import type { HitResult } from '../../contract/hit.ts'
import type { SqliteDatabase } from '../../sqlite/open.ts'
import { MAX_RETRY_DELAY_MS, RESULT_TTL_SECONDS } from '../port.ts'

/** A hit that was claimed: what is needed to run it, and to end it. */
export interface ClaimedRow {
  readonly seq: number
  readonly task_id: string
  readonly job: string
  readonly run_at: number
  readonly attempts: number
  readonly crashes: number
  readonly key: string | null
}

/** A hit as it is looked up. */
export type FoundRow = Pick<ClaimedRow, 'job' | 'attempts'> & { readonly starts: number }

/** A claim: its row, and the token that ends it. */
export type Lease = Pick<ClaimedRow, 'seq' | 'task_id' | 'key'> & { readonly token: string }

const columns = 'seq, task_id, job, run_at, attempts, crashes, key'

/** The statements of the queue, in domain words. All are synchronous; who calls decides on the transaction. */
export function hitRows(db: SqliteDatabase) {
  const insert = db.prepare<[string, string, number, string | null]>(
    'INSERT INTO hit (task_id, job, run_at, key) VALUES (?, ?, ?, ?) ON CONFLICT (task_id) DO NOTHING',
  )
  const keyHolder = db.prepare<[string, number], { task_id: string }>(
    'SELECT task_id FROM idempotency WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)',
  )
  const takeKey = db.prepare<[string, string]>(
    'INSERT INTO idempotency (key, task_id) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET task_id = excluded.task_id, expires_at = NULL',
  )
  const expireKey = db.prepare<[number, string]>('UPDATE idempotency SET expires_at = ? WHERE key = ?')
  const claim = db.prepare<[string, number, number], ClaimedRow>(
    `UPDATE hit SET token = ?, starts = starts + 1
     WHERE seq IN (SELECT seq FROM hit WHERE token IS NULL AND run_at <= ? ORDER BY run_at, seq LIMIT ?) RETURNING ${columns}`,
  )
  const nextRunAt = db.prepare<[], { run_at: number }>('SELECT run_at FROM hit WHERE token IS NULL ORDER BY run_at LIMIT 1')
  const remove = db.prepare<[number, string]>('DELETE FROM hit WHERE seq = ? AND token = ?')
  const charge = db.prepare<[number, number, string]>('UPDATE hit SET token = NULL, attempts = attempts + 1, run_at = ? WHERE seq = ? AND token = ?')
  const release = db.prepare<[number | null, number, string]>('UPDATE hit SET token = NULL, run_at = coalesce(?, run_at) WHERE seq = ? AND token = ?')
  const leased = db.prepare<[], ClaimedRow & { token: string }>(`SELECT ${columns}, token FROM hit WHERE token IS NOT NULL ORDER BY seq`)
  const crash = db.prepare<[number, number, string]>('UPDATE hit SET token = NULL, crashes = crashes + 1, run_at = min(run_at, ?) WHERE seq = ? AND token = ?')
  const unfuture = db.prepare<{ now: number; latest: number }>(
    `UPDATE hit SET run_at = iif(starts = 0, @now, @latest)
     WHERE token IS NULL AND run_at > @now AND (starts = 0 OR run_at > @latest)`,
  )
  const storeResult = db.prepare<[string, string, number]>('INSERT INTO result (task_id, json, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  const result = db.prepare<[string, number], { json: string }>('SELECT json FROM result WHERE task_id = ? AND expires_at > ?')
  const find = db.prepare<[string], FoundRow>('SELECT job, attempts, starts FROM hit WHERE task_id = ?')
  const count = db.prepare<[], { n: number }>('SELECT count(*) AS n FROM hit')
  const countAfter = db.prepare<[number], { n: number }>('SELECT count(*) AS n FROM hit WHERE token IS NULL AND run_at > ?')
  const purgeResults = db.prepare<[number, number]>('DELETE FROM result WHERE rowid IN (SELECT rowid FROM result WHERE expires_at <= ? LIMIT ?)')
  const purgeKeys = db.prepare<[number, number]>('DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE expires_at <= ? LIMIT ?)')
  const probe = db.prepare<[number]>('UPDATE probe SET at = ?')

  return {
    /** @returns false where that task is in the queue already */
    insert: (taskId: string, job: string, runAt: number, key: string | null): boolean => insert.run(taskId, job, runAt, key).changes === 1,
    /** @returns the task that has this key at `now` */
    keyHolder: (key: string, now: number): string | undefined => keyHolder.get(key, now)?.task_id,
    takeKey: (key: string, taskId: string) => void takeKey.run(key, taskId),
    /** Leases up to `limit` hits that are due, first in first out. (RETURNING promises no order.) */
    claim: (token: string, time: number, limit: number): ClaimedRow[] => claim.all(token, time, limit).sort((a, b) => a.run_at - b.run_at || a.seq - b.seq),
    /** When the next waiting hit is due; undefined where none waits. */
    nextRunAt: (): number | undefined => nextRunAt.get()?.run_at,
    /** Ends a hit with its result; the key that led to it is kept as long. @returns false where the lease is lost */
    finish({ seq, task_id, key, token }: Lease, final: HitResult, now: number): boolean {
      if (remove.run(seq, token).changes === 0) return false
      const expiresAt = now + RESULT_TTL_SECONDS * 1000
      storeResult.run(task_id, JSON.stringify(final), expiresAt)
      if (key !== null) expireKey.run(expiresAt, key)
      return true
    },
    /** Gives a hit back, charged. */
    charge: ({ seq, token }: Lease, runAt: number) => void charge.run(runAt, seq, token),
    /** Gives a hit back, uncharged; without `runAt` to the place in line that it had. */
    release: ({ seq, token }: Lease, runAt: number | null) => void release.run(runAt, seq, token),
    /** All that is leased, whoever holds it. */
    leased: () => leased.all(),
    /** Gives a hit back whose worker died, to the place in line that it had: it was due, whatever the clock says now. */
    crash: ({ seq, token }: Pick<Lease, 'seq' | 'token'>, time: number) => void crash.run(time, seq, token),
    /** Undoes a clock that was ahead of this one: makes new hits due, and lets no retry wait for longer than a retry may. */
    unfuture: (time: number) => void unfuture.run({ now: time, latest: time + MAX_RETRY_DELAY_MS }),
    result: (taskId: string, now: number): string | undefined => result.get(taskId, now)?.json,
    find: (taskId: string) => find.get(taskId),
    /** Counts every row: once, at the start. */
    count: (): number => count.get()?.n ?? 0,
    /** Waiting hits that are due later than `time`; as cheap as they are few. */
    countAfter: (time: number): number => countAfter.get(time)?.n ?? 0,
    /** @returns how many rows went; fewer than twice `limit` once there are no more */
    purge: (now: number, limit: number): number => purgeResults.run(now, limit).changes + purgeKeys.run(now, limit).changes,
    /** A write that changes nothing of worth, to see whether the file takes one. */
    probe: (now: number) => void probe.run(Math.round(now)),
  }
}
export type HitRows = ReturnType<typeof hitRows>
