import { Worker } from 'node:worker_threads'
import { Progress, READY, type SchemaAnswer, type SchemaQuestion } from './check.ts'

/** How long its start may take, in ms: on a machine that has much else to do. */
const START_MS = 15_000
/** Much more than a schema and a config of their largest sizes take; without a bound a thread takes as much heap as the process. */
const resourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16 }

/** Where the thread's file is: beside this one from source, beside the bundle in production. */
const threadFile = () => new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './schema-thread.js', import.meta.url)

/** Why a thread ended by itself. */
export type ThreadEnd = 'not_started' | 'out_of_memory' | 'fault'

/** What a thread tells whoever started it; nothing after it was ended by {@link CheckingThread.end}. */
export interface ThreadEvents {
  ready(): void
  answered(answers: readonly SchemaAnswer[]): void
  ended(why: ThreadEnd, error: Error): void
}

/** A thread that checks by schemas; it does not keep the process alive. */
export class CheckingThread {
  readonly #worker: Worker
  readonly #progress = new Progress()
  readonly #events: ThreadEvents
  readonly #starting: NodeJS.Timeout
  /** Whether its code is loaded: what that takes is no question's time. */
  isReady = false
  #isOver = false
  /** The schema that it was sent last: it need not be sent with each question. */
  #schema: string | undefined

  /** @throws where the system gives no thread */
  constructor(events: ThreadEvents, options: { readonly file?: URL | undefined; readonly start_ms?: number | undefined } = {}) {
    this.#events = events
    this.#worker = new Worker(options.file ?? threadFile(), { execArgv: [], env: {}, workerData: this.#progress.memory, resourceLimits })
    this.#worker.unref()
    this.#starting = setTimeout(() => this.#ended(new Error('its start took too long')), options.start_ms ?? START_MS).unref()
    this.#worker.on('message', (message: readonly SchemaAnswer[] | typeof READY) => {
      if (this.#isOver) return
      if (message !== READY) return events.answered(message)
      clearTimeout(this.#starting)
      this.isReady = true
      events.ready()
    })
    this.#worker.on('error', (error) => this.#ended(error instanceof Error ? error : new Error(String(error))))
    this.#worker.on('exit', (code) => this.#ended(new Error(`it ended with exit code ${code}`)))
  }

  /** What it works on, and for how long; undefined: nothing. */
  get current(): { readonly id: number; readonly ms: number } | undefined {
    return this.#progress.current()
  }

  /** Asks; answers come in the order of the questions. */
  ask(asked: readonly { readonly id: number; readonly schema: string; readonly data: string | undefined }[]): void {
    const questions = asked.map(({ id, schema, data }): SchemaQuestion => {
      const isKnown = schema === this.#schema
      this.#schema = schema
      return { id, schema: isKnown ? undefined : schema, data }
    })
    this.#worker.postMessage(questions)
  }

  /** Ends it, whatever it does; nothing more is heard of it. */
  async end(): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#starting)
    await this.#worker.terminate()
  }

  #ended(error: Error): void {
    if (this.#isOver) return
    void this.end()
    const outOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
    this.#events.ended(this.isReady ? (outOfMemory ? 'out_of_memory' : 'fault') : 'not_started', error)
  }
}
