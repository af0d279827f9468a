import type { ErrorDetail } from '../contract/envelope.ts'

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
