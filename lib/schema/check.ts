import type { ErrorDetail } from '../contract/envelope.ts'

/** What the thread that checks is asked. */
export type SchemaQuestion =
  /** Whether a schema is one; and, where there is data, whether that meets it. */
  { readonly id: number; readonly schema: string; readonly data: string | undefined }

/** What the thread says first: that its code is loaded. */
export const READY = 'ready'

/** What it answers: what is wrong with the schema, or else with the data; nothing where both are good. */
export interface SchemaAnswer {
  readonly id: number
  readonly schemaProblems: readonly ErrorDetail[]
  readonly violations: readonly ErrorDetail[]
}
