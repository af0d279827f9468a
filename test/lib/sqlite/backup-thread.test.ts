import { existsSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { copyDatabase } from '#lib/sqlite/backup-thread.ts'
import { openDatabase, type SqliteDatabase } from '#lib/sqlite/open.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** A database of more pages than a few steps copy. */
function large(folder: TempFolder): SqliteDatabase {
  const db = openDatabase(folder.file('a.db'))
  db.exec('CREATE TABLE rows (n INTEGER PRIMARY KEY, filling BLOB)')
  db.exec('WITH RECURSIVE one(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < 60) INSERT INTO rows SELECT n, zeroblob(1000000) FROM one')
  return db
}
const insert = (db: SqliteDatabase) => db.prepare('INSERT INTO rows (filling) VALUES (zeroblob(5000))')

describe('copyDatabase', () => {
  it('ends while another connection commits all the time, with the database of one moment', async () => {
    using folder = new TempFolder()
    const db = large(folder)
    const add = insert(db)
    add.run()
    let over = false
    const copying = copyDatabase(folder.file('a.db'), folder.file('b.db'), new AbortController().signal).finally(() => {
      over = true
    })
    let commits = 0
    for (; !over; commits++) {
      add.run()
      await turn()
    }
    await copying
    db.close()
    const copy = new Database(folder.file('b.db'), { readonly: true })
    const rows = copy.prepare<[], number>('SELECT n FROM rows ORDER BY n').pluck().all()
    expect(copy.pragma('integrity_check', { simple: true })).toBe('ok')
    copy.close()
    expect(commits).toBeGreaterThan(10)
    // What was there before it began is in it, and what came last is not.
    expect(rows).toEqual(Array.from({ length: rows.length }, (_, i) => i + 1))
    expect(rows.length).toBeGreaterThanOrEqual(61)
    expect(rows.length).toBeLessThan(61 + commits)
  })

  it('is ended by its signal, before it begins and in the middle', async () => {
    using folder = new TempFolder()
    large(folder).close()
    await expect(copyDatabase(folder.file('a.db'), folder.file('b.db'), AbortSignal.abort(new Error('no')))).rejects.toThrow('no')
    expect(existsSync(folder.file('b.db'))).toBe(false)
    const ending = new AbortController()
    const copying = copyDatabase(folder.file('a.db'), folder.file('b.db'), ending.signal)
    while (!existsSync(folder.file('b.db'))) await turn()
    ending.abort(new Error('enough'))
    await expect(copying).rejects.toThrow('enough')
  })

  it.each<[string, string, string, RegExp]>([
    ['a database that is not there', 'none.db', 'b.db', /unable to open database file \(SQLITE_CANTOPEN\)/],
    ['a folder that is not there', 'a.db', 'none/b.db', /directory does not exist|unable to open/],
  ])('says what is wrong with %s', async (_name, from, to, message) => {
    using folder = new TempFolder()
    openDatabase(folder.file('a.db')).close()
    await expect(copyDatabase(folder.file(from), folder.file(to), new AbortController().signal)).rejects.toThrow(message)
  })
})
