import { type AnswerHead, headerOf } from '../support/http-reader.ts'

/** Counts what agents were answered, and how connections ended. */
export class Tally {
  readonly #counts = new Map<string, number>()

  /** Counts an answer, as its status; a 503 that names no time to come back is counted apart, since none may. */
  answered(head: AnswerHead): void {
    const { status } = head
    this.count(status === 503 && headerOf(head, 'retry-after') === undefined ? '503 without Retry-After' : String(status))
  }

  /** Counts anything else, by a word or two. */
  count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1)
  }

  /** The counts so far. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}

/** Adds up the counts of several processes. */
export function sumCounts(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const counts of all) for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count
  return sum
}

/** Of the counts, the answers that a controller must never give: any 5xx but a 503 that says when to come back. */
export const forbidden = (counts: Readonly<Record<string, number>>): string[] =>
  Object.entries(counts).flatMap(([name, count]) => (/^5\d\d/.test(name) && name !== '503' ? [`${count} × ${name}`] : []))
