import Database from 'better-sqlite3'

/** Changes a database as somebody does who may write its file: past the triggers that guard the audit. */
export function tamper(path: string, ...statements: readonly string[]): void {
  const db = new Database(path)
  try {
    const triggers = db.prepare<[], string>("SELECT name FROM sqlite_master WHERE type = 'trigger'").pluck().all()
    for (const name of triggers) db.exec(`DROP TRIGGER ${name}`)
    for (const statement of statements) db.exec(statement)
  } finally {
    db.close()
  }
}
