import { StartError } from '../../runtime/env.ts'
import type { SqliteDatabase } from '../../sqlite/open.ts'

/**
 * The steps from an empty file to the schema of today; `PRAGMA user_version` counts those that were taken.
 * A step that was released is never changed: a change is a new step.
 *
 * `hit` has a small row for each task, from its enqueue until an hour after its end, so that what is rewritten at each
 * step is small; what it is to do lies in `payload`, and how it ended in `outcome`, whose `body` is JSON too and the last
 * column: it is large, and read only for the one who asks for that task. `state` is fresh (never taken), again (taken
 * before), leased, completed or failed; `at` is when it is due, and once it has ended when it expires. One index over
 * both serves claims, recovery, lists, counts and the purge, however many there are. A hit that ends stays in its table:
 * an index of random ids costs a page of the log for each id.
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

  // Results from before this step lack their job: they are found by their id for the rest of their hour, and not listed.
  `ALTER TABLE hit RENAME TO hit_before;
   CREATE TABLE hit (
     seq INTEGER PRIMARY KEY,
     task_id TEXT NOT NULL UNIQUE,
     payload INTEGER NOT NULL,
     state TEXT NOT NULL DEFAULT 'fresh',
     at INTEGER NOT NULL,
     token TEXT,
     starts INTEGER NOT NULL DEFAULT 0,
     attempts INTEGER NOT NULL DEFAULT 0,
     crashes INTEGER NOT NULL DEFAULT 0,
     retried INTEGER NOT NULL DEFAULT 0,
     key TEXT,
     history TEXT
   ) STRICT;
   CREATE TABLE payload (id INTEGER PRIMARY KEY, job TEXT NOT NULL) STRICT;
   INSERT INTO payload SELECT seq, job FROM hit_before;
   INSERT INTO hit (seq, task_id, payload, state, at, token, starts, attempts, crashes, key)
     SELECT seq, task_id, seq, CASE WHEN token IS NOT NULL THEN 'leased' WHEN starts > 0 THEN 'again' ELSE 'fresh' END,
       run_at, token, starts, attempts, crashes, key FROM hit_before;
   DROP TABLE hit_before;
   CREATE INDEX hit_state ON hit (state, at);
   CREATE TABLE outcome (id INTEGER PRIMARY KEY, json TEXT NOT NULL, body TEXT) STRICT;
   CREATE TABLE pause (one INTEGER PRIMARY KEY CHECK (one = 1), paused INTEGER NOT NULL) STRICT;
   INSERT INTO pause VALUES (1, 0);`,
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
    // Nothing to be written, so that a look at a file leaves it as it is.
    if (version === steps.length) return
    for (const step of steps.slice(version)) db.exec(step)
    db.pragma(`user_version = ${steps.length}`)
  }).immediate()
}
