import { setTimeout as delay } from 'node:timers/promises'
import { type HitLedger, isGone } from './hit-ledger.ts'

/** How long a caller pauses between two hits, and a reader between two looks, in ms: a steady load, and no race. */
const PAUSE_MS = { post: 20, look: 50 } as const

/** How many of the hits that were acknowledged last are looked at again and again. */
const WATCHED = 50

/** How a worker is kept busy. */
export interface LoadOptions {
  /** Where the worker is at this moment; undefined while it is not there. */
  readonly port: () => number | undefined
  /** Who ask for hits at a time. */
  readonly callers: number
  /** Reads results while they come, which must then stay as they were read. */
  readonly read: boolean
}

/** Hits that are asked for all the time, until {@link stop} or the end of the test's scope. */
export class Load implements AsyncDisposable {
  readonly #over = new AbortController()
  readonly #ended: Promise<unknown>

  constructor(ledger: HitLedger, { port, callers, read }: LoadOptions) {
    const signal = this.#over.signal
    const caller = async () => {
      while (!signal.aborted) {
        const now = port()
        if (now !== undefined) await ledger.post(now)
        await delay(PAUSE_MS.post)
      }
    }
    const reader = async () => {
      while (!signal.aborted) {
        for (const taskId of [...ledger.acknowledged].slice(-WATCHED)) {
          const now = port()
          if (now === undefined || signal.aborted) break
          await ledger.read(now, taskId).catch((error: unknown) => {
            if (!isGone(error)) throw error
          })
        }
        await delay(PAUSE_MS.look)
      }
    }
    this.#ended = Promise.all([...Array.from({ length: callers }, caller), ...(read ? [reader()] : [])])
    // Told by stop(), not as a rejection that nobody handles.
    this.#ended.catch(() => this.#over.abort())
  }

  /** Ends it; fails where an answer was not what it may be. */
  async stop(): Promise<void> {
    this.#over.abort()
    await this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
