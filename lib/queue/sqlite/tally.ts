/** How many rows of a kind there are. */
interface Numbers {
  /** Hits that no worker runs: in line, or waiting for a time. */
  readonly waiting: number
  readonly leased: number
  /** Ended ones in the file, those whose hour is over until the purge included. */
  readonly completed: number
  readonly failed: number
}

/**
 * The numbers of rows, kept along with every write, since counting a long backlog is slow. They change inside a
 * transaction, so that what follows in the same one sees them, and are put back where it is rolled back.
 */
export class Tally {
  #now: Numbers = { waiting: 0, leased: 0, completed: 0, failed: 0 }
  #committed = this.#now

  /** Begins with what was counted when the file was opened. */
  begin(numbers: Numbers): void {
    this.#now = numbers
    this.#committed = numbers
  }

  get now(): Numbers {
    return this.#now
  }

  /** Counts what a write changed. */
  add(change: Partial<Numbers>): void {
    const { waiting, leased, completed, failed } = this.#now
    this.#now = {
      waiting: waiting + (change.waiting ?? 0),
      leased: leased + (change.leased ?? 0),
      completed: completed + (change.completed ?? 0),
      failed: failed + (change.failed ?? 0),
    }
  }

  /** The transaction was committed. */
  keep(): void {
    this.#committed = this.#now
  }

  /** The transaction was rolled back. */
  restore(): void {
    this.#now = this.#committed
  }
}
