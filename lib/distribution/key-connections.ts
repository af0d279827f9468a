import type { Caller } from '../http/caller.ts'
import { ApiError } from '../http/errors.ts'

/**
 * Ends a connection that is held.
 * @param why what a held long poll is answered; a stream just ends
 */
export type Drop = (why: ApiError) => void

/** What a held long poll is told when its key is accepted no longer. */
const keyIsOver = (): ApiError => new ApiError('FORBIDDEN', 'invalid API key: it was revoked or has expired')

/** What is held open by which key: streams and long polls, to be ended with it. An entry in a set for each of them. */
export class KeyConnections {
  readonly #byKey = new Map<string, Set<Drop>>()

  /** The ids of the keys that hold something open. */
  keys(): IterableIterator<string> {
    return this.#byKey.keys()
  }

  /** Notes that a connection is held; one whose key ended a moment ago is ended at once. */
  add(caller: Caller, drop: Drop): void {
    const held = this.#byKey.get(caller.id)
    if (held === undefined) this.#byKey.set(caller.id, new Set([drop]))
    else held.add(drop)
    if (caller.over) drop(keyIsOver())
  }

  /** Notes that a connection is over, whoever ended it. */
  delete(caller: Caller, drop: Drop): void {
    const held = this.#byKey.get(caller.id)
    if (held?.delete(drop) && held.size === 0) this.#byKey.delete(caller.id)
  }

  /**
   * Ends what a key holds open.
   * @returns how many connections that were
   */
  end(keyId: string): number {
    const held = [...(this.#byKey.get(keyId) ?? [])]
    for (const drop of held) drop(keyIsOver())
    return held.length
  }
}
