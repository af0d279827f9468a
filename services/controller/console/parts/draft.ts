import { randomUUID } from 'node:crypto'
import { type PublishRequest, PublishRequestSchema } from '#lib/contract/config.ts'
import type { ErrorDetail } from '#lib/contract/envelope.ts'
import { invalidPart, invalidRequest } from '#lib/http/errors.ts'
import { checkJson } from '../json/check.ts'
import type { Fields } from '../session/form.ts'

/** What a publish or a rollback carries from page to page. */
export interface Steps {
  /** The version it began with, for If-Match; 0: there was none. */
  readonly base: number
  /** Makes a repeat of the form harmless: its Idempotency-Key. */
  readonly formKey: string
}

/** A config as it stands in the editor. */
export interface Draft extends Steps {
  readonly text: string
  readonly interval: string
  readonly comment: string
}

/** A key for a form that is new. */
export const newFormKey = (): string => randomUUID()

/**
 * What a form carries.
 * @throws ApiError INVALID_REQUEST
 */
export function stepsOf(fields: Fields): Steps {
  const base = fields.get('base') ?? ''
  if (!/^\d{1,15}$/.test(base)) throw invalidPart('base', 'expected the version that the form began with')
  const formKey = fields.get('form_key') ?? ''
  if (!/^[A-Za-z0-9-]{1,64}$/.test(formKey)) throw invalidPart('form_key', 'expected the key of the form')
  return { base: Number(base), formKey }
}

/**
 * What stands in the editor of a form.
 * @throws ApiError INVALID_REQUEST
 */
export const draftOf = (fields: Fields): Draft => ({
  ...stepsOf(fields),
  text: fields.get('data') ?? '',
  interval: (fields.get('poll_interval_seconds') ?? '').trim(),
  comment: (fields.get('comment') ?? '').trim(),
})

/** What of a form's comment is published: an empty one is none. */
export const commentOf = (comment: string): { readonly comment?: string } => (comment === '' ? {} : { comment })

/** The config that a draft is, by the rules of the API; or each field that breaks them. */
export function publicationOf(draft: Draft): { readonly publication: PublishRequest } | { readonly problems: readonly ErrorDetail[] } {
  const checked = checkJson(draft.text, 'data')
  if (!('value' in checked)) return { problems: [{ path: checked.path, message: checked.message }] }
  const interval = draft.interval === '' ? {} : { poll_interval_seconds: /^\d{1,9}$/.test(draft.interval) ? Number(draft.interval) : draft.interval }
  const request = PublishRequestSchema.safeParse({ data: checked.value, ...interval, ...commentOf(draft.comment) })
  return request.success ? { publication: request.data } : { problems: invalidRequest(request.error, 'json').details }
}
