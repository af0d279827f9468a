import { randomUUID } from 'node:crypto'

/** How many forms are out at once; the oldest is taken no more where there are others. */
const MOST = 1000

/**
 * The forms of a page that are taken once each: a second click or a reload of the answer must not make a second key. They are
 * kept in memory, so that after a restart a form is shown again rather than taken twice.
 */
export class OnceForms {
  /** The oldest first. */
  readonly #out = new Set<string>()

  /** A token for a form that is shown. */
  issue(): string {
    const token = randomUUID()
    this.#out.add(token)
    const [oldest] = this.#out
    if (this.#out.size > MOST && oldest !== undefined) this.#out.delete(oldest)
    return token
  }

  /** Whether a form with this token may be taken; it may no more. */
  take(token: string | undefined): boolean {
    return token !== undefined && this.#out.delete(token)
  }
}
