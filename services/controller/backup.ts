import { createHash } from 'node:crypto'
import { createReadStream, readdirSync, rmSync } from 'node:fs'
import { open, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ApiError } from '#lib/http/errors.ts'
import { type Store, StoreUnavailableError } from '#lib/store/port.ts'
import { storeAnswers } from './store-errors.ts'

/** A backup that is ready to be sent. */
export interface Backup {
  readonly bytes: number
  /** SHA-256 of the file, base64. */
  readonly sha256: string
  readonly content: ReadableStream<Uint8Array>
}

/**
 * Backups of the database, one at a time. Each is written beside it first, so that a slow reader holds up nothing but its
 * own connection; the file is gone when it was sent, and what a killed process left is gone at the next start.
 */
export class Backups {
  readonly #store: Pick<Store, 'backup'>
  readonly #path: string
  #busy = false

  /** @param dbPath of the database */
  constructor(store: Pick<Store, 'backup'>, dbPath: string) {
    this.#store = store
    this.#path = `${dbPath}.${process.pid}.sending-backup`
    forgetLeftovers(dbPath)
  }

  /**
   * Makes a backup.
   * @throws ApiError OVERLOADED where one is being made or sent; STORE_UNAVAILABLE
   */
  async make(): Promise<Backup> {
    if (this.#busy)
      throw new ApiError('OVERLOADED', 'Cannot make a backup now: another is being made or sent; try again after 5 s', { headers: { 'Retry-After': '5' } })
    this.#busy = true
    try {
      await storeAnswers('make a backup', () => this.#write())
      const [{ size }, sha256] = await Promise.all([stat(this.#path), digestOf(this.#path)])
      return { bytes: size, sha256, content: this.#send(size) }
    } catch (error) {
      await this.#end()
      throw error
    }
  }

  async #write(): Promise<void> {
    try {
      await rm(this.#path, { force: true })
      // Made here, so that it is nobody else's to read from its first byte on.
      await (await open(this.#path, 'wx', 0o600)).close()
      await this.#store.backup(this.#path)
    } catch (error) {
      if (error instanceof Error && 'syscall' in error)
        throw new StoreUnavailableError(`the file of the backup cannot be written: ${error.message}`, { cause: error })
      throw error
    }
  }

  /** The file as a stream; whatever becomes of it, the file goes. */
  #send(bytes: number): ReadableStream<Uint8Array> {
    let left = bytes
    const file = createReadStream(this.#path, { highWaterMark: 256 * 1024 })
    const chunks = file.iterator({ destroyOnReturn: true })
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { done, value } = await chunks.next()
          // Before the last of it goes out: whoever has read it all may ask for the next at once.
          left -= done ? left : value.byteLength
          if (left <= 0) await this.#end()
          if (!done) controller.enqueue(new Uint8Array(value))
          if (left <= 0) controller.close()
        },
        cancel: async () => {
          file.destroy()
          await this.#end()
        },
      },
      { highWaterMark: 0 },
    )
  }

  async #end(): Promise<void> {
    await rm(this.#path, { force: true })
    await rm(`${this.#path}-journal`, { force: true })
    this.#busy = false
  }
}

async function digestOf(path: string): Promise<string> {
  const digest = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) digest.update(chunk)
  return digest.digest('base64')
}

/** What a process that was killed left. */
function forgetLeftovers(dbPath: string): void {
  const prefix = `${basename(dbPath)}.`
  for (const name of readdirSync(dirname(dbPath)))
    if (name.startsWith(prefix) && name.endsWith('.sending-backup')) rmSync(join(dirname(dbPath), name), { force: true })
}
