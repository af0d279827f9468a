import { readdirSync, rmSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ApiError } from '#lib/http/errors.ts'
import { type Store, StoreUnavailableError } from '#lib/store/port.ts'
import { NamelessFile } from './backup-file.ts'
import { storeAnswers } from './store-errors.ts'

/** For how long a reader of a backup may take nothing before it is cut off, in ms: until then nobody else gets one. */
const STALL_MS = 60_000
/** How the name of a backup that is being made ends, behind the database's name and the process id. */
const MARK = '.sending-backup'

/** A backup that is ready to be sent. */
export interface Backup {
  readonly bytes: number
  /** SHA-256 of the file, base64. */
  readonly sha256: string
  readonly content: ReadableStream<Uint8Array>
}

/**
 * Backups of the database, one at a time: each takes as much of the disk as the database. It is written beside it first, so
 * that a slow reader holds up nothing, and has no name any more when it is sent. What a process that was killed while it
 * wrote one left is gone at the next start.
 */
export class Backups {
  readonly #store: Pick<Store, 'backup'>
  readonly #path: string
  readonly #stallMs: number
  #busy = false

  /** @param dbPath of the database */
  constructor(store: Pick<Store, 'backup'>, dbPath: string, options: { readonly stall_ms?: number } = {}) {
    this.#store = store
    this.#path = `${dbPath}.${process.pid}${MARK}`
    this.#stallMs = options.stall_ms ?? STALL_MS
    forgetLeftovers(dbPath)
  }

  /**
   * Makes a backup; its content must be read or cancelled.
   * @param signal aborts where nobody waits for it any more
   * @throws ApiError OVERLOADED where one is being made or sent; STORE_UNAVAILABLE
   */
  async make(signal: AbortSignal): Promise<Backup> {
    if (this.#busy)
      throw new ApiError('OVERLOADED', 'Cannot make a backup now: another is being made or sent; try again after 5 s', { headers: { 'Retry-After': '5' } })
    this.#busy = true
    let file: NamelessFile | undefined
    try {
      file = await storeAnswers('make a backup', () => this.#write(signal))
      const over = () => {
        this.#busy = false
      }
      const sha256 = await file.sha256()
      return { bytes: file.bytes, sha256, content: file.stream({ stall_ms: this.#stallMs, over }) }
    } catch (error) {
      await file?.close().catch(() => {})
      this.#busy = false
      throw error
    }
  }

  async #write(signal: AbortSignal): Promise<NamelessFile> {
    try {
      await this.#forget()
      // Made here, so that it is nobody else's to read from its first byte on.
      await (await open(this.#path, 'wx', 0o600)).close()
      await this.#store.backup(this.#path, signal)
      return await NamelessFile.take(this.#path)
    } catch (error) {
      if (signal.aborted) throw new StoreUnavailableError('whoever asked for it has gone')
      // Its code and not its message, which names the place on this machine.
      if (error instanceof Error && 'syscall' in error && 'code' in error)
        throw new StoreUnavailableError(`the file of the backup cannot be written beside the database: ${error.code}`, { cause: error })
      throw error
    } finally {
      await this.#forget().catch(() => {})
    }
  }

  async #forget(): Promise<void> {
    for (const tail of ['', '-journal', '-wal', '-shm']) await rm(`${this.#path}${tail}`, { force: true })
  }
}

/** What a process that was killed left; nothing else, whatever an operator has put beside the database. */
function forgetLeftovers(dbPath: string): void {
  const prefix = `${basename(dbPath)}.`
  try {
    for (const name of readdirSync(dirname(dbPath)))
      if (name.startsWith(prefix) && /^\d+\.sending-backup(?:-journal|-wal|-shm)?$/.test(name.slice(prefix.length)))
        rmSync(join(dirname(dbPath), name), { force: true })
  } catch {
    // A folder that cannot be read or written is no reason not to start; the next backup says what is wrong.
  }
}
