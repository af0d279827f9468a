import type { Clock } from '#lib/runtime/clock.ts'

/** For how long it is remembered that an agent is another's, in ms; after that its owner's keys may have been revoked. */
const KEPT_MS = 300_000
/** How many such refusals are remembered. */
const MAX_REFUSALS = 10_000

/** Which agents the controller has said to be another's than a name's. */
export class Refusals {
  readonly #clock: Pick<Clock, 'monotonic'>
  /** By agent and name, when that was said; longest ago first. */
  readonly #at = new Map<string, number>()

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  add(agentId: string, name: string): void {
    const key = keyOf(agentId, name)
    this.#at.delete(key)
    this.#at.set(key, this.#clock.monotonic())
    const [oldest] = this.#at.keys()
    if (oldest !== undefined && this.#at.size > MAX_REFUSALS) this.#at.delete(oldest)
  }

  /** Whether an agent is another's than the name's; a null name is nobody's, and refused nothing. */
  has(agentId: string, name: string | null): boolean {
    if (name === null || this.#at.size === 0) return false
    const at = this.#at.get(keyOf(agentId, name))
    return at !== undefined && this.#clock.monotonic() - at < KEPT_MS
  }

  /** A key has ended, and with it may be what an agent belonged to. */
  clear(): void {
    this.#at.clear()
  }
}

/** No id and no name holds a line feed. */
const keyOf = (agentId: string, name: string): string => `${agentId}\n${name}`
