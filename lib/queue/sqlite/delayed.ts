/** A second, in ms: what hits are counted by. */
const SECOND_MS = 1000

/** What the exact count asks of the store. */
interface DueRows {
  countDue(from: number, to: number): number
  nextDue(time: number): number | undefined
}

/**
 * How many hits wait for a time that has not come. They are counted by the second at which they are due, so that the
 * number costs the same however many wait; the second that runs is counted in the store. A hit leaves by its time
 * only: nothing takes one that is not due.
 */
export class DelayedHits {
  readonly #rows: DueRows
  readonly #bySecond = new Map<number, number>()

  /** @param time now; what is stored and due later is counted, once */
  constructor(rows: DueRows, time: number) {
    this.#rows = rows
    for (let due = rows.nextDue(time); due !== undefined; ) {
      const second = Math.floor(due / SECOND_MS)
      const end = (second + 1) * SECOND_MS
      this.#bySecond.set(second, rows.countDue(second * SECOND_MS - 1, end))
      due = rows.nextDue(end)
    }
  }

  /** Counts a hit that was given back, once that is committed. */
  add(runAt: number, time: number): void {
    const second = Math.floor(runAt / SECOND_MS)
    this.#bySecond.set(second, (this.#bySecond.get(second) ?? 0) + 1)
    this.#forget(Math.floor(time / SECOND_MS))
  }

  /** How many are due later than `time`. */
  after(time: number): number {
    const running = Math.floor(time / SECOND_MS)
    this.#forget(running)
    let sum = this.#bySecond.has(running) ? this.#rows.countDue(time, (running + 1) * SECOND_MS) : 0
    for (const [second, n] of this.#bySecond) if (second > running) sum += n
    return sum
  }

  #forget(running: number): void {
    for (const second of this.#bySecond.keys()) if (second < running) this.#bySecond.delete(second)
  }
}
