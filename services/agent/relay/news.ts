import type { BatchedAgent } from '#lib/contract/fleet.ts'
import { type Entry, toBatched } from './entry.ts'

/** How much is told at once. */
export interface NewsBounds {
  readonly maxAgents: number
  /** As JSON. */
  readonly maxBytes: number
}

/** Of whom there is something to tell, in the order in which it came: each once, in the state that it has when it is told. */
export class News {
  readonly #entries = new Set<Entry>()

  /** Of how many there is news. */
  get size(): number {
    return this.#entries.size
  }

  add(entry: Entry): void {
    this.#entries.add(entry)
  }

  delete(entry: Entry): void {
    this.#entries.delete(entry)
  }

  /**
   * The oldest news, at least one where there is any; it counts as told from now on.
   * @param now by the monotonic clock
   */
  take(bounds: NewsBounds, now: number): BatchedAgent[] {
    const agents: BatchedAgent[] = []
    let bytes = 0
    for (const entry of this.#entries) {
      const agent = toBatched(entry, now)
      bytes += Buffer.byteLength(JSON.stringify(agent)) + 1
      if (agents.length > 0 && (agents.length >= bounds.maxAgents || bytes > bounds.maxBytes)) break
      agents.push(agent)
      this.#entries.delete(entry)
      Object.assign(entry, { registrationUnsent: false, reportUnsent: false, toldAt: now })
    }
    return agents
  }

  /** What was not taken is news again. */
  giveBack(entry: Entry, { registration, report }: BatchedAgent): void {
    entry.registrationUnsent ||= registration !== undefined
    entry.reportUnsent ||= report !== undefined
    this.#entries.add(entry)
  }
}
