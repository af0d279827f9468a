import { BOOTSTRAP_KEY_ID } from '../contract/keys.ts'
import type { Caller } from '../http/caller.ts'

/**
 * The connections that are held for a key: they end at once where it is revoked or expires. A service's own key does
 * neither while the service runs, so nothing is kept for it.
 */
export class HeldByKey {
  readonly #byId = new Map<string, Set<() => void>>()

  /** The ids of keys that connections are held for. */
  get ids(): readonly string[] {
    return [...this.#byId.keys()]
  }

  /**
   * Notes a connection.
   * @param end ends it; called at most once, and not after it has left
   * @returns to be called when the connection is over
   */
  hold(caller: Caller, end: () => void): () => void {
    if (caller.id === BOOTSTRAP_KEY_ID) return () => {}
    const held = this.#byId.get(caller.id) ?? new Set()
    this.#byId.set(caller.id, held)
    held.add(end)
    return () => {
      if (held.delete(end) && held.size === 0 && this.#byId.get(caller.id) === held) this.#byId.delete(caller.id)
    }
  }

  /**
   * Ends the connections of a key.
   * @returns how many there were
   */
  end(keyId: string): number {
    const held = this.#byId.get(keyId)
    if (held === undefined) return 0
    this.#byId.delete(keyId)
    for (const one of held) one()
    return held.size
  }
}
