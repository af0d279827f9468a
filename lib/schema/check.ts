import type { ErrorDetail } from '../contract/envelope.ts'

/** What the thread that checks is asked. */
export interface SchemaQuestion {
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
