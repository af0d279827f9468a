import { type Clock, systemClock } from '../runtime/clock.ts'
import type { SchemaAnswer } from './check.ts'
import type { SchemaVerdict } from './verdict.ts'
import { CheckingThread, type ThreadEnd } from './worker.ts'

/** What a test sets otherwise. */
export interface SchemaCheckerOptions {
  /** How long one check may take, in ms. */
  readonly limit_ms?: number
  /** How long one may wait for its turn, in ms. */
  readonly wait_ms?: number
  readonly max_waiting_bytes?: number
  readonly start_ms?: number
  /** The thread's code. */
  readonly file?: URL
  readonly clock?: Pick<Clock, 'monotonic'>
}

const LIMIT_MS = 2000
/** Five that are given up, one after the other; whoever waits longer has better things to do. */
const WAIT_MS = 10_000
/** How many checks wait at most, and how large they are together, in UTF-16 units. */
const MAX_WAITING = 1000
const MAX_WAITING_BYTES = 64 * 1024 * 1024
/** How many are on their way to the thread at once, and how large: it never waits, and the others wait here, where they cost no copy. */
const MAX_SENT = 256
const MAX_SENT_SIZE = 8 * 1024 * 1024
/** How long it takes at least until it is looked anew at what the thread does, in ms. */
const LOOK_MS = 5
/** After how long it is looked anew where it worked on nothing. */
const BETWEEN_MS = 50

interface Asked {
  readonly id: number
  readonly schema: string
  readonly data: string | undefined
  readonly size: number
  readonly at: number
  resolve(verdict: SchemaVerdict): void
}

/**
 * Checks configs by a JSON Schema in a thread of its own, so that no pattern and no reference of a schema holds up the
 * service: a check that is not done within its time limit is given up with the thread. The limit counts from when the thread
 * begins on a question. What is asked in one turn goes in one message, and so do the answers: then what waits for them goes
 * on together, and a group commit takes them all. The thread is started when it is first needed.
 */
export class SchemaChecker {
  readonly #options: SchemaCheckerOptions
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #limitMs: number
  /** In their order: those that were sent, then those that were not. */
  readonly #asked: Asked[] = []
  #sent = 0
  #sentSize = 0
  #size = 0
  #thread: CheckingThread | undefined
  #isSending = false
  #look: NodeJS.Timeout | undefined
  #ids = 0
  #isClosed = false

  constructor(options: SchemaCheckerOptions = {}) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#limitMs = options.limit_ms ?? LIMIT_MS
  }

  /**
   * Checks data by a schema, or a schema alone. Never rejects.
   * @param schema JSON
   * @param data JSON; undefined: only the schema is looked at
   */
  check(schema: string, data: string | undefined): Promise<SchemaVerdict> {
    if (this.#isClosed) return Promise.resolve({ kind: 'unavailable', why: 'the service stops' })
    const size = schema.length + (data?.length ?? 0)
    const { max_waiting_bytes = MAX_WAITING_BYTES } = this.#options
    if (this.#asked.length >= MAX_WAITING || (this.#asked.length > 0 && this.#size + size > max_waiting_bytes)) return Promise.resolve({ kind: 'too_many' })
    return new Promise((resolve) => {
      this.#size += size
      this.#asked.push({ id: ++this.#ids, schema, data, size, at: this.#clock.monotonic(), resolve })
      this.#sendSoon()
    })
  }

  /** Ends the thread; what waits is given up. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopLooking()
    this.#settleAll({ kind: 'unavailable', why: 'the service stops' })
    await this.#thread?.end()
  }

  /** Sends what is asked in this turn together. */
  #sendSoon(): void {
    if (this.#isSending) return
    this.#isSending = true
    setImmediate(() => {
      this.#isSending = false
      this.#send()
    })
  }

  /** Hands on what the thread can be sent, and looks after what it works on. */
  #send(): void {
    if (this.#isClosed || this.#asked.length === 0) return
    try {
      this.#thread ??= this.#start()
      const batch = this.#nextBatch()
      if (batch.length > 0) this.#thread.ask(batch)
    } catch (error) {
      this.#thread = undefined
      this.#settleAll({ kind: 'unavailable', why: `its thread cannot be started: ${error instanceof Error ? error.message : String(error)}` })
      return
    }
    if (this.#thread.isReady) this.#lookAfter(this.#limitMs)
  }

  #nextBatch(): readonly Asked[] {
    const batch: Asked[] = []
    for (let next = this.#asked[this.#sent]; next; next = this.#asked[this.#sent]) {
      if (this.#sent >= MAX_SENT || (this.#sent > 0 && this.#sentSize + next.size > MAX_SENT_SIZE)) break
      batch.push(next)
      this.#sent++
      this.#sentSize += next.size
    }
    return batch
  }

  /** Looks after a time at what the thread works on, and again and again while anything is asked. */
  #lookAfter(ms: number): void {
    this.#look ??= setTimeout(() => this.#lookNow(), Math.max(ms, LOOK_MS)).unref()
  }

  #lookNow(): void {
    this.#look = undefined
    if (this.#isClosed || this.#asked.length === 0) return
    const current = this.#thread?.current
    const slow = current && this.#asked.find(({ id }) => id === current.id)
    if (slow && current.ms >= this.#limitMs) this.#giveUp(slow)
    // Where it works on nothing its answers are on their way, or it is between two questions.
    else if (this.#thread?.isReady) this.#lookAfter(slow ? this.#limitMs - current.ms : Math.min(this.#limitMs, BETWEEN_MS))
  }

  #start(): CheckingThread {
    return new CheckingThread(
      {
        ready: () => this.#send(),
        answered: (answer) => this.#answered(answer),
        ended: (why, error) => this.#ended(why, error),
      },
      this.#options,
    )
  }

  #answered(answers: readonly SchemaAnswer[]): void {
    for (const { id, schemaProblems, violations } of answers) {
      const [first] = this.#asked
      if (first?.id !== id) continue
      if (schemaProblems.length > 0) this.#settle(first, { kind: 'invalid_schema', problems: schemaProblems })
      else if (violations.length > 0) this.#settle(first, { kind: 'violations', violations })
      else this.#settle(first, { kind: 'good' })
    }
    this.#send()
  }

  #giveUp(slow: Asked): void {
    this.#settle(slow, { kind: 'given_up', why: `took longer than ${this.#limitMs / 1000} s` })
    void this.#thread?.end()
    this.#again()
  }

  /** The thread ended by itself: the one that was worked on may be why, and is not tried again. */
  #ended(why: ThreadEnd, error: Error): void {
    const id = this.#thread?.current?.id
    const guilty = this.#asked.find((asked) => asked.id === id)
    if (why === 'not_started') this.#settleAll({ kind: 'unavailable', why: `its thread cannot be started: ${error.message}` })
    else if (guilty === undefined) this.#settleAll({ kind: 'unavailable', why: `its thread failed: ${error.message}` })
    else if (why === 'out_of_memory') this.#settle(guilty, { kind: 'given_up', why: 'took more memory than it may' })
    else this.#settle(guilty, { kind: 'unavailable', why: `its thread failed: ${error.message}` })
    this.#again()
  }

  /** Gives those that wait to a new thread, but for those that have waited too long. */
  #again(): void {
    this.#stopLooking()
    this.#thread = undefined
    this.#sent = 0
    this.#sentSize = 0
    const latest = this.#clock.monotonic() - (this.#options.wait_ms ?? WAIT_MS)
    for (let first = this.#asked[0]; first && first.at < latest; first = this.#asked[0]) this.#settle(first, { kind: 'too_many' })
    this.#send()
  }

  #settle(asked: Asked, verdict: SchemaVerdict): void {
    const at = this.#asked.indexOf(asked)
    this.#asked.splice(at, 1)
    this.#size -= asked.size
    if (at < this.#sent) {
      this.#sent--
      this.#sentSize -= asked.size
    }
    asked.resolve(verdict)
  }

  #settleAll(verdict: SchemaVerdict): void {
    for (const asked of [...this.#asked]) this.#settle(asked, verdict)
  }

  #stopLooking(): void {
    clearTimeout(this.#look)
    this.#look = undefined
  }
}
