import { randomBytes } from 'node:crypto'
import type { Key, KeyRequest, MadeKey } from '#lib/contract/keys.ts'
import { invalidPart } from '#lib/http/errors.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Actor, Store, StoredKey } from '#lib/store/port.ts'
import { storeAnswers } from '../store-errors.ts'
import { digestOf, KeyBook } from './book.ts'

/** How much of a key lists show: 6 of its 43 random characters. */
const PREFIX = 10
/** How often it is saved when keys were used, in ms. */
const SAVE_USES_MS = 60_000

/** Makes and revokes keys: stored first, with their entry in the audit, accepted or refused from then on. */
export class Keys {
  readonly book: KeyBook
  readonly #store: Store
  readonly #clock: Clock
  readonly #logger: Logger
  #saver: NodeJS.Timeout | undefined

  private constructor(book: KeyBook, options: { readonly store: Store; readonly clock: Clock; readonly logger: Logger }) {
    this.book = book
    this.#store = options.store
    this.#clock = options.clock
    this.#logger = options.logger
    if (book.shown.length > 0) this.#beginToSave()
  }

  /**
   * The keys as they were stored.
   * @param own the controller's own key
   */
  static async open(own: string, options: { readonly store: Store; readonly clock: Clock; readonly logger: Logger }): Promise<Keys> {
    return new Keys(new KeyBook(own, await options.store.keys(), options.clock), options)
  }

  /**
   * Makes a key. What it is given back with is the only time that it is there in full.
   * @throws ApiError INVALID_REQUEST where it would be expired already; STORE_UNAVAILABLE
   */
  async make({ name, role, expires_at }: KeyRequest, actor: Actor): Promise<MadeKey> {
    const now = this.#clock.now()
    if (expires_at !== undefined && Date.parse(expires_at) <= now)
      throw invalidPart('expires_at', `expected a time in the future, got ${JSON.stringify(expires_at)}`)
    const key = `dcm_${randomBytes(32).toString('base64url')}`
    const stored: StoredKey = {
      id: this.#clock.uuid(),
      name,
      role,
      prefix: key.slice(0, PREFIX),
      digest: digestOf(key),
      created_at: new Date(now).toISOString(),
      expires_at: expires_at === undefined ? null : new Date(expires_at).toISOString(),
      last_used_at: null,
    }
    const head = await storeAnswers('make the key', () => this.#store.addKey(stored, actor))
    this.book.add(stored)
    this.#beginToSave()
    this.#logger.info('config', 'made a key', { key_id: stored.id, name, role, audit_seq: head.seq, audit_hash: head.hash })
    const { digest: _digest, ...shown } = stored
    return { ...shown, key }
  }

  /** All keys that were not revoked, the newest first. */
  list(): readonly Key[] {
    return this.book.shown
  }

  /**
   * Revokes a key: refused from now on, on connections that are held too.
   * @returns false where there is none of that id
   * @throws ApiError STORE_UNAVAILABLE
   */
  async revoke(id: string, actor: Actor): Promise<boolean> {
    const head = await storeAnswers('revoke the key', () => this.#store.revokeKey(id, actor))
    if (head === undefined) return false
    this.book.remove(id)
    this.#logger.info('config', 'revoked a key', { key_id: id, audit_seq: head.seq, audit_hash: head.hash })
    return true
  }

  /** Saves what is not saved yet, and ends; the store must still be open. */
  async close(): Promise<void> {
    clearInterval(this.#saver)
    this.book.close()
    await this.#saveUses()
  }

  #beginToSave(): void {
    this.#saver ??= setInterval(() => void this.#saveUses(), SAVE_USES_MS).unref()
  }

  async #saveUses(): Promise<void> {
    const uses = this.book.takeUses()
    if (uses.length === 0) return
    try {
      await this.#store.saveKeyUses(uses)
    } catch (error) {
      this.#logger.warn('config', 'when keys were last used cannot be saved', { err: error })
    }
  }
}
