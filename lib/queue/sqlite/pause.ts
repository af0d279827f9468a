import type { SqliteDatabase } from '../../sqlite/open.ts'
import type { Writer } from './writer.ts'

/** Whether hits may begin; kept in the file, so that it holds through restarts. */
export class Pause {
  readonly #writer: Writer
  readonly #read: () => boolean
  readonly #write: (paused: boolean) => void
  #on: boolean

  constructor(db: SqliteDatabase, writer: Writer) {
    this.#writer = writer
    const read = db.prepare<[], number>('SELECT paused FROM pause').pluck()
    const write = db.prepare<[number]>('UPDATE pause SET paused = ?')
    this.#read = () => read.get() === 1
    this.#write = (paused) => void write.run(paused ? 1 : 0)
    this.#on = this.#read()
  }

  get on(): boolean {
    return this.#on
  }

  /** @throws QueueUnavailableError where it cannot be written; then it is as the file says */
  async set(paused: boolean): Promise<void> {
    // At once: a claim that shares the commit must see it.
    this.#on = paused
    try {
      await this.#writer.write(() => this.#write(paused))
    } catch (error) {
      this.#on = this.#writer.read(this.#read)
      throw error
    }
  }
}
