import { describe, expect, it } from 'vitest'
import { GroupCommit, OperationRefused } from '#lib/sqlite/group-commit.ts'
import { isSqliteError, openDatabase } from '#lib/sqlite/open.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** A table of numbers, written by group commit; refuses negative ones, and fails at NaN. */
function open(folder: TempFolder, maxBatch?: number) {
  const db = openDatabase(folder.file('x.db'))
  db.exec('CREATE TABLE n (n INTEGER NOT NULL UNIQUE)')
  let transactions = 0
  const insert = db.prepare('INSERT INTO n VALUES (?)')
  const group = new GroupCommit<number, number>(
    db,
    (n) => {
      if (db.prepare('SELECT count(*) FROM n').pluck().get() === 0) transactions++
      if (n < 0) throw new OperationRefused(new RangeError(`${n} is negative`))
      insert.run(n)
      return n * 2
    },
    maxBatch === undefined ? {} : { maxBatch },
  )
  const rows = () => db.prepare<[], number>('SELECT n FROM n ORDER BY n').pluck().all()
  return { db, group, rows, transactions: () => transactions }
}

describe('GroupCommit', () => {
  it('answers each its own, from one transaction', async () => {
    using folder = new TempFolder()
    const { db, group, rows } = open(folder)
    expect(await Promise.all([1, 2, 3].map((n) => group.submit(n)))).toEqual([2, 4, 6])
    expect(rows()).toEqual([1, 2, 3])
    db.close()
  })

  it('has committed before it answers', async () => {
    using folder = new TempFolder()
    const { db, group } = open(folder)
    const other = openDatabase(folder.file('x.db'))
    await group.submit(1)
    expect(other.prepare('SELECT n FROM n').pluck().all()).toEqual([1])
    other.close()
    db.close()
  })

  it('refuses one and commits the others', async () => {
    using folder = new TempFolder()
    const { db, group, rows } = open(folder)
    const outcomes = await Promise.allSettled([1, -2, 3].map((n) => group.submit(n)))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: expect.any(RangeError) })
    expect(rows()).toEqual([1, 3])
    db.close()
  })

  it('rolls the whole batch back at any other error, and goes on with the next', async () => {
    using folder = new TempFolder()
    const { db, group, rows } = open(folder)
    const outcomes = await Promise.allSettled([1, 1, 2].map((n) => group.submit(n)))
    expect(outcomes.every((outcome) => outcome.status === 'rejected' && isSqliteError(outcome.reason))).toBe(true)
    expect(rows()).toEqual([])
    expect(await group.submit(5)).toBe(10)
    db.close()
  })

  it('splits what is more than a batch, and forgets nobody', async () => {
    using folder = new TempFolder()
    const { db, group, rows } = open(folder, 7)
    const numbers = Array.from({ length: 100 }, (_, i) => i)
    expect(await Promise.all(numbers.map((n) => group.submit(n)))).toEqual(numbers.map((n) => n * 2))
    expect(rows()).toEqual(numbers)
    db.close()
  })
})

describe('openDatabase', () => {
  it('sets WAL, synchronous=FULL, foreign keys and a busy timeout, and makes the folder', () => {
    using folder = new TempFolder()
    const db = openDatabase(folder.file('made/for/it/x.db'))
    expect(['journal_mode', 'synchronous', 'foreign_keys', 'busy_timeout'].map((pragma) => db.pragma(pragma, { simple: true }))).toEqual(['wal', 2, 1, 5000])
    db.close()
  })
})
