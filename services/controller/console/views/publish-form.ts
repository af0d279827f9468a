import { createHash, randomUUID } from 'node:crypto'
import { DEFAULT_POLL_INTERVAL_SECONDS, PublishRequestSchema, type ReceivedConfig } from '#lib/contract/config.ts'
import { parseStrictJson, StrictJsonError } from '#lib/contract/strict-json.ts'
import { ApiError, invalidPart, invalidRequest } from '#lib/http/errors.ts'
import type { Publication } from '../../publish.ts'
import { prettyJson } from '../parts/json-text.ts'
import type { Fields } from '../session/form.ts'

/** What the fields of the form hold. */
export interface Draft {
  /** JSON, as it was typed. */
  readonly data: string
  readonly interval: string
  readonly comment: string
  /** The version that it began with; 0: there was none. */
  readonly began: number
  /** Makes that a form that is sent twice publishes once. */
  readonly once: string
  /** Of what was previewed: only that is published. */
  readonly previewed: string
}

/** A draft of a new change, beginning with the latest. */
export const newDraft = (latest: Pick<ReceivedConfig, 'version' | 'data' | 'poll_interval_seconds'> | undefined): Draft => ({
  data: prettyJson(latest?.data ?? { url: 'https://example.com/ping' }),
  interval: String(latest?.poll_interval_seconds ?? DEFAULT_POLL_INTERVAL_SECONDS),
  comment: '',
  began: latest?.version ?? 0,
  once: randomUUID(),
  previewed: '',
})

/** The draft in a form. */
export function draftIn(fields: Fields): Draft {
  const began = fields.get('began') ?? ''
  return {
    // Forms send lines as CRLF.
    data: (fields.get('data') ?? '').replaceAll('\r\n', '\n'),
    interval: fields.get('interval') ?? '',
    comment: (fields.get('comment') ?? '').replaceAll('\r\n', '\n'),
    began: /^\d{1,15}$/.test(began) ? Number(began) : 0,
    once: fields.get('once') || randomUUID(),
    previewed: fields.get('previewed') ?? '',
  }
}

/** What stands for what a draft would publish. */
export const fingerprintOf = ({ data, interval, comment, began }: Draft): string =>
  createHash('sha256')
    .update(JSON.stringify([data, interval, comment, began]))
    .digest('base64url')

/**
 * What a draft would publish, read as strictly as the API reads it.
 * @throws ApiError INVALID_REQUEST
 */
export function publicationOf({ data, interval, comment }: Draft): Publication {
  let parsed: unknown
  try {
    parsed = parseStrictJson(data)
  } catch (error) {
    if (error instanceof StrictJsonError) throw invalidPart(error.path === 'body' ? 'data' : `data.${error.path}`, error.message)
    throw error
  }
  const seconds = interval.trim() === '' ? undefined : Number(interval)
  const checked = PublishRequestSchema.safeParse({
    data: parsed,
    ...(seconds === undefined ? {} : { poll_interval_seconds: seconds }),
    ...(comment === '' ? {} : { comment }),
  })
  if (!checked.success) throw invalidRequest(checked.error, 'json')
  return checked.data
}

/** What a refusal is shown with; whatever else went wrong is no matter of the form. */
export function asRefusal(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  throw error
}
