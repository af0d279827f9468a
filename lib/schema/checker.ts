import { Worker } from 'node:worker_threads'
import type { ErrorDetail } from '../contract/envelope.ts'
import { READY, type SchemaAnswer, type SchemaQuestion } from './check.ts'

/** What a check came to. */
export type SchemaVerdict =
  | { readonly kind: 'good' }
  | { readonly kind: 'invalid_schema'; readonly problems: readonly ErrorDetail[] }
  | { readonly kind: 'violations'; readonly violations: readonly ErrorDetail[] }
  /** The check did not come to an end in time, and was given up. */
  | { readonly kind: 'too_slow'; readonly limit_ms: number }
  /** Too many checks wait: nothing was checked. */
  | { readonly kind: 'too_many' }

/** How long one check may take, in ms. */
const LIMIT_MS = 2000
/** How many checks wait at most. */
const MAX_WAITING = 1000

/** More than a schema and a config of their largest sizes take; without a bound a thread takes as much heap as the process. */
const resourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16 }

interface Asked {
  readonly question: SchemaQuestion
  resolve(verdict: SchemaVerdict): void
  reject(error: unknown): void
}

/** Where the thread's file is: beside this one from source, beside the bundle in production. */
const threadFile = () => new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './schema-thread.js', import.meta.url)

/**
 * Checks configs by a JSON Schema in a thread of its own, so that no pattern and no reference of a schema holds up the
 * service: a check that is not done within its time limit is given up with the thread. Several questions are on their way
 * at once; the limit counts for the one that is being worked on. The thread is started when it is first needed.
 */
export class SchemaChecker {
  readonly #limitMs: number
  readonly #asked: Asked[] = []
  #thread: Worker | undefined
  /** Whether its code is loaded: what that takes is no question's time. */
  #isReady = false
  #deadline: NodeJS.Timeout | undefined
  #ids = 0

  constructor(options: { readonly limit_ms?: number } = {}) {
    this.#limitMs = options.limit_ms ?? LIMIT_MS
  }

  /**
   * Checks data by a schema, or a schema alone.
   * @param schema JSON
   * @param data JSON; undefined: only the schema is looked at
   * @throws where the thread cannot be started, or ended by itself
   */
  check(schema: string, data: string | undefined): Promise<SchemaVerdict> {
    if (this.#asked.length >= MAX_WAITING) return Promise.resolve({ kind: 'too_many' })
    const { promise, resolve, reject } = Promise.withResolvers<SchemaVerdict>()
    const question = { id: ++this.#ids, schema, data }
    this.#asked.push({ question, resolve, reject })
    try {
      this.#thread ??= this.#start()
      this.#thread.postMessage(question)
      this.#watch()
    } catch (error) {
      this.#asked.pop()
      reject(error)
    }
    return promise
  }

  /** Ends the thread; what waits is given up. */
  async close(): Promise<void> {
    clearTimeout(this.#deadline)
    for (const { reject } of this.#asked.splice(0)) reject(new Error('the service stops'))
    await this.#thread?.terminate()
  }

  /** Sets the time limit of the question that is worked on. */
  #watch(): void {
    const [first] = this.#asked
    if (first === undefined) {
      clearTimeout(this.#deadline)
      this.#deadline = undefined
    } else if (this.#isReady) this.#deadline ??= setTimeout(() => this.#giveUp(first), this.#limitMs).unref()
  }

  #answered(answer: SchemaAnswer): void {
    const [first] = this.#asked
    if (first?.question.id !== answer.id) return
    this.#asked.shift()
    clearTimeout(this.#deadline)
    this.#deadline = undefined
    this.#watch()
    if (answer.schemaProblems.length > 0) first.resolve({ kind: 'invalid_schema', problems: answer.schemaProblems })
    else if (answer.violations.length > 0) first.resolve({ kind: 'violations', violations: answer.violations })
    else first.resolve({ kind: 'good' })
  }

  #giveUp(slow: Asked): void {
    this.#deadline = undefined
    this.#asked.shift()
    slow.resolve({ kind: 'too_slow', limit_ms: this.#limitMs })
    this.#restart()
  }

  /** Gives the others to a new thread. */
  #restart(): void {
    const old = this.#thread
    this.#thread = undefined
    old?.terminate().catch(() => {})
    if (this.#asked.length === 0) return
    try {
      const thread = this.#start()
      this.#thread = thread
      for (const { question } of this.#asked) thread.postMessage(question)
      this.#watch()
    } catch (error) {
      for (const { reject } of this.#asked.splice(0)) reject(error)
    }
  }

  #start(): Worker {
    this.#isReady = false
    const thread = new Worker(threadFile(), { execArgv: [], env: {}, resourceLimits })
    thread.unref()
    thread.on('message', (answer: SchemaAnswer | typeof READY) => {
      if (thread !== this.#thread) return
      if (answer === READY) {
        this.#isReady = true
        this.#watch()
      } else this.#answered(answer)
    })
    // Out of memory, or a fault of ours: the question that was worked on is not answered, the others are asked again.
    thread.on('error', (error) => {
      if (thread !== this.#thread) return
      clearTimeout(this.#deadline)
      this.#deadline = undefined
      this.#asked.shift()?.reject(error)
      this.#restart()
    })
    return thread
  }
}
