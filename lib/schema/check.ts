import type { ErrorDetail } from '../contract/envelope.ts'

/** What the thread that checks is asked. */
export interface SchemaQuestion {
  /** From 1. */
  readonly id: number
  /** JSON; undefined: the schema of the question before. */
  readonly schema: string | undefined
  /** JSON; undefined: only whether the schema is one. */
  readonly data: string | undefined
}

/** What the thread says first: that its code is loaded. */
export const READY = 'ready'

/** What it answers: what is wrong with the schema, or else with the data; nothing where both are good. */
export interface SchemaAnswer {
  readonly id: number
  readonly schemaProblems: readonly ErrorDetail[]
  readonly violations: readonly ErrorDetail[]
}

/**
 * Which question is worked on, and since when: in memory that both threads see, since a thread that is stuck says nothing.
 * The clock is one for all threads of a process.
 */
export class Progress {
  /** What is handed to the other thread. */
  readonly memory: SharedArrayBuffer
  readonly #id: Int32Array
  readonly #since: BigInt64Array

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.memory = memory
    this.#since = new BigInt64Array(memory, 0, 1)
    this.#id = new Int32Array(memory, 8, 1)
  }

  /** Notes that a question is begun; 0: none is. */
  begin(id: number): void {
    Atomics.store(this.#since, 0, process.hrtime.bigint())
    Atomics.store(this.#id, 0, id)
  }

  /** The question that is worked on, and for how long it has been, in ms; undefined: none is. */
  current(): { readonly id: number; readonly ms: number } | undefined {
    const id = Atomics.load(this.#id, 0)
    const ms = Number(process.hrtime.bigint() - Atomics.load(this.#since, 0)) / 1e6
    // Another was begun in between: the time may be that one's.
    if (id === 0 || id !== Atomics.load(this.#id, 0)) return undefined
    return { id, ms }
  }
}
