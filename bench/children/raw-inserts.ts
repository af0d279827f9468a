// The baseline of whatever writes durably: better-sqlite3 by itself, one insert and one commit after another,
// with the pragmas and the tables of ours.
import { randomUUID } from 'node:crypto'
import Database from 'better-sqlite3'
import { answerCalls, on } from '../support/answer.ts'
import { openInserts, runInserts } from '../support/protocol.ts'

const tables = {
  config: `CREATE TABLE config (version INTEGER PRIMARY KEY NOT NULL, id TEXT NOT NULL UNIQUE, data TEXT NOT NULL,
    poll_interval_seconds INTEGER NOT NULL, comment TEXT, author TEXT, created_at TEXT NOT NULL)`,
  hit: `CREATE TABLE hit (seq INTEGER PRIMARY KEY, task_id TEXT NOT NULL UNIQUE, job TEXT NOT NULL, run_at INTEGER NOT NULL, token TEXT,
    starts INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, key TEXT) STRICT;
    CREATE INDEX hit_waiting ON hit (run_at, seq) WHERE token IS NULL; CREATE INDEX hit_leased ON hit (seq) WHERE token IS NOT NULL`,
} as const

let insert = () => {}

answerCalls(
  on(openInserts, ({ path, row, json }) => {
    const db = new Database(path)
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('foreign_keys = ON')
    db.exec(tables[row])
    if (row === 'config') {
      const statement = db.prepare('INSERT INTO config (id, data, poll_interval_seconds, created_at) VALUES (?, ?, 30, ?)')
      insert = () => void statement.run(randomUUID(), json, new Date().toISOString())
    } else {
      const statement = db.prepare('INSERT INTO hit (task_id, job, run_at) VALUES (?, ?, ?)')
      insert = () => void statement.run(randomUUID(), json, Date.now())
    }
    return {}
  }),
  on(runInserts, ({ ms }) => {
    const start = performance.now()
    let count = 0
    while (performance.now() - start < ms) {
      insert()
      count += 1
    }
    return { count, seconds: (performance.now() - start) / 1000 }
  }),
)
