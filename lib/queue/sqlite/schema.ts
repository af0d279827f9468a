import { StartError } from '../../runtime/env.ts'
import type { SqliteDatabase } from '../../sqlite/open.ts'

/**
 * The steps from an empty file to the schema of today; `PRAGMA user_version` counts those that were taken.
 * A step that was released is never changed: a change is a new step.
 *
 * `hit` holds what has not ended. A row is leased while `token` is set; the partial indexes keep claims and
 * recovery independent of how long the backlog is. `result` keeps what ended, for its hour.
 */
const steps: readonly string[] = [
  `CREATE TABLE hit (
     seq INTEGER PRIMARY KEY,
     task_id TEXT NOT NULL UNIQUE,
     job TEXT NOT NULL,
     run_at INTEGER NOT NULL,
     token TEXT,
     starts INTEGER NOT NULL DEFAULT 0,
     attempts INTEGER NOT NULL DEFAULT 0,
     crashes INTEGER NOT NULL DEFAULT 0,
     key TEXT
   ) STRICT;
   CREATE INDEX hit_waiting ON hit (run_at, seq) WHERE token IS NULL;
   CREATE INDEX hit_leased ON hit (seq) WHERE token IS NOT NULL;
   CREATE TABLE result (task_id TEXT PRIMARY KEY, json TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT;
   CREATE INDEX result_expiry ON result (expires_at);
   CREATE TABLE idempotency (key TEXT PRIMARY KEY, task_id TEXT NOT NULL, expires_at INTEGER) STRICT;
   CREATE INDEX idempotency_expiry ON idempotency (expires_at) WHERE expires_at IS NOT NULL;
   CREATE TABLE probe (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT;
   INSERT INTO probe VALUES (1, 0);`,
]

/**
 * Brings the file to the schema of today, in one transaction.
 * @throws StartError where the file was written by a newer version than this
 */
export function migrate(db: SqliteDatabase, path: string): void {
  db.transaction(() => {
    const version = Number(db.pragma('user_version', { simple: true }))
    if (version > steps.length) {
      throw new StartError(
        `Cannot open the hit queue ${JSON.stringify(path)}: its schema is version ${version}, this program knows up to ${steps.length}. Start the newer program, or use another file`,
      )
    }
    for (const step of steps.slice(version)) db.exec(step)
    db.pragma(`user_version = ${steps.length}`)
  }).immediate()
}
