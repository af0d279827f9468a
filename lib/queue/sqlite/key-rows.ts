import type { SqliteDatabase } from '../../sqlite/open.ts'

/** The statements over idempotency keys: which task a key means, and until when. Who calls decides on the transaction. */
export function keyRows(db: SqliteDatabase) {
  const holder = db.prepare<[string, number], string>('SELECT task_id FROM idempotency WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)').pluck()
  const take = db.prepare<[string, string]>(
    'INSERT INTO idempotency (key, task_id) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET task_id = excluded.task_id, expires_at = NULL',
  )
  const date = db.prepare<[number | null, string, string]>('UPDATE idempotency SET expires_at = ? WHERE key = ? AND task_id = ?')
  const purge = db.prepare<[number, number]>('DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE expires_at <= ? LIMIT ?)')
  return {
    /** @returns the task that has this key at `now` */
    holder: (key: string, now: number): string | undefined => holder.get(key, now),
    /** Gives a key to a task, for as long as that has not ended. */
    take: (key: string, taskId: string) => void take.run(key, taskId),
    /** Says until when the key of a task is kept; null while the task has not ended. */
    keep: (key: string | null, taskId: string, until: number | null) => void (key !== null && date.run(until, key, taskId)),
    /** @returns how many went */
    purge: (now: number, limit: number): number => purge.run(now, limit).changes,
  }
}
export type KeyRows = ReturnType<typeof keyRows>
