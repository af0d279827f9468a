import type { ErrorDetail } from '../contract/envelope.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { SchemaAnswer } from './check.ts'
import { CheckingThread, type ThreadEnd } from './worker.ts'

/** What a check came to. */
export type SchemaVerdict =
  | { readonly kind: 'good' }
  | { readonly kind: 'invalid_schema'; readonly problems: readonly ErrorDetail[] }
  | { readonly kind: 'violations'; readonly violations: readonly ErrorDetail[] }
  /** The check took more time, or more memory, than it may, and was given up. */
  | { readonly kind: 'given_up'; readonly why: string }
  /** Too many checks wait: nothing was checked. */
  | { readonly kind: 'too_many' }
  /** The thread cannot be started, or ended by itself: nothing was checked. */
  | { readonly kind: 'unavailable'; readonly why: string }

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
/** How many are on their way to the thread at once, so that it never waits; the others wait here, where they cost no copy. */
const MAX_SENT = 16

interface Asked {
  readonly id: number
  readonly schema: string
  readonly data: string | undefined
  readonly at: number
  resolve(verdict: SchemaVerdict): void
}

const sizeOf = ({ schema, data = '' }: Pick<Asked, 'schema' | 'data'>): number => schema.length + data.length

/**
 * Checks configs by a JSON Schema in a thread of its own, so that no pattern and no reference of a schema holds up the
 * service: a check that is not done within its time limit is given up with the thread. Several questions are on their way
 * at once; the limit counts for the one that is being worked on. The thread is started when it is first needed.
 */
export class SchemaChecker {
  readonly #options: SchemaCheckerOptions
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #limitMs: number
  /** In their order: those that were sent, then those that were not. */
  readonly #asked: Asked[] = []
  #sent = 0
  #size = 0
  #thread: CheckingThread | undefined
  #deadline: NodeJS.Timeout | undefined
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
    const size = this.#size + sizeOf({ schema, data })
    const { max_waiting_bytes = MAX_WAITING_BYTES } = this.#options
    if (this.#asked.length >= MAX_WAITING || (this.#asked.length > 0 && size > max_waiting_bytes)) return Promise.resolve({ kind: 'too_many' })
    return new Promise((resolve) => {
      this.#size = size
      this.#asked.push({ id: ++this.#ids, schema, data, at: this.#clock.monotonic(), resolve })
      this.#send()
    })
  }

  /** Ends the thread; what waits is given up. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopWatching()
    this.#settleAll({ kind: 'unavailable', why: 'the service stops' })
    await this.#thread?.end()
  }

  /** Hands on what the thread can be sent, and sets the time limit of what it works on. */
  #send(): void {
    if (this.#asked.length === 0) return
    try {
      this.#thread ??= this.#start()
      while (this.#sent < Math.min(this.#asked.length, MAX_SENT)) {
        const next = this.#asked[this.#sent]
        if (next === undefined) break
        this.#thread.ask(next.id, next.schema, next.data)
        this.#sent++
      }
    } catch (error) {
      this.#thread = undefined
      this.#settleAll({ kind: 'unavailable', why: `its thread cannot be started: ${error instanceof Error ? error.message : String(error)}` })
      return
    }
    const [first] = this.#asked
    // An answer that has arrived is read before it is decided: this process itself may have been held up.
    if (this.#thread.isReady && first) this.#deadline ??= setTimeout(() => setImmediate(() => this.#giveUp(first)), this.#limitMs).unref()
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

  #answered({ id, schemaProblems, violations }: SchemaAnswer): void {
    if (this.#asked[0]?.id !== id) return
    if (schemaProblems.length > 0) this.#settleFirst({ kind: 'invalid_schema', problems: schemaProblems })
    else if (violations.length > 0) this.#settleFirst({ kind: 'violations', violations })
    else this.#settleFirst({ kind: 'good' })
    this.#send()
  }

  #giveUp(slow: Asked): void {
    if (this.#isClosed || this.#asked[0] !== slow) return
    this.#settleFirst({ kind: 'given_up', why: `took longer than ${this.#limitMs / 1000} s` })
    void this.#thread?.end()
    this.#again()
  }

  /** The thread ended by itself: the one that was worked on may be why, and is not tried again. */
  #ended(why: ThreadEnd, error: Error): void {
    if (why === 'not_started') this.#settleAll({ kind: 'unavailable', why: `its thread cannot be started: ${error.message}` })
    else if (why === 'out_of_memory') this.#settleFirst({ kind: 'given_up', why: 'took more memory than it may' })
    else this.#settleFirst({ kind: 'unavailable', why: `its thread failed: ${error.message}` })
    this.#again()
  }

  /** Gives those that wait to a new thread, but for those that have waited too long. */
  #again(): void {
    this.#stopWatching()
    this.#thread = undefined
    this.#sent = 0
    const latest = this.#clock.monotonic() - (this.#options.wait_ms ?? WAIT_MS)
    while (this.#asked[0] && this.#asked[0].at < latest) this.#settleFirst({ kind: 'too_many' })
    this.#send()
  }

  #settleFirst(verdict: SchemaVerdict): void {
    this.#stopWatching()
    const first = this.#asked.shift()
    if (first === undefined) return
    if (this.#sent > 0) this.#sent--
    this.#size -= sizeOf(first)
    first.resolve(verdict)
  }

  #settleAll(verdict: SchemaVerdict): void {
    while (this.#asked.length > 0) this.#settleFirst(verdict)
  }

  #stopWatching(): void {
    clearTimeout(this.#deadline)
    this.#deadline = undefined
  }
}
