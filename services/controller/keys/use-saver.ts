import type { Logger } from '#lib/observe/logger.ts'
import type { Store } from '#lib/store/port.ts'
import type { KeyEntry } from './key-entry.ts'

/** How often what was used is saved, in ms. */
const SAVE_MS = 60_000
/** Keys a transaction: a few ms of the event loop, which then turns. */
const BATCH = 250

/** Saves when keys were last used, behind the requests that use them: once a minute, and at the end. */
export class UseSaver {
  readonly #store: Pick<Store, 'saveKeyUses'>
  readonly #logger: Logger
  readonly #used: () => Iterable<KeyEntry>
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> | undefined
  #failing = false

  /** @param options.used all keys, with their last use brought up to date */
  constructor(options: { readonly store: Pick<Store, 'saveKeyUses'>; readonly logger: Logger; readonly used: () => Iterable<KeyEntry> }) {
    this.#store = options.store
    this.#logger = options.logger
    this.#used = options.used
  }

  /** There is a key to save something of. */
  begin(): void {
    this.#timer ??= setInterval(() => void this.save(), SAVE_MS).unref()
  }

  /** Saves what is not saved yet; resolves when that was tried. */
  save(): Promise<void> {
    this.#saving ??= this.#round().finally(() => {
      this.#saving = undefined
    })
    return this.#saving
  }

  /** Saves for the last time; the store must still be open. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#saving
    await this.save()
  }

  async #round(): Promise<void> {
    const unsaved = [...this.#used()].filter(({ usedAt, savedUse }) => usedAt > savedUse)
    try {
      for (let start = 0; start < unsaved.length; start += BATCH) {
        const batch = unsaved.slice(start, start + BATCH).map((entry) => ({ entry, usedAt: entry.usedAt }))
        await this.#store.saveKeyUses(batch.map(({ entry, usedAt }) => ({ id: entry.id, last_used_at: new Date(usedAt).toISOString() })))
        for (const { entry, usedAt } of batch) entry.savedUse = usedAt
      }
      this.#failing = false
    } catch (error) {
      if (!this.#failing) this.#logger.warn('config', 'when keys were last used cannot be saved; it is kept in memory and tried again', { err: error })
      this.#failing = true
    }
  }
}
