import type { Context } from 'hono'
import { ApiError } from '#lib/http/errors.ts'
import { sessionOf } from './guard.ts'
import { isOwnForm } from './sessions.ts'

/** How large the fields of a form may be that hold no config, in bytes. */
export const FORM_BYTES = 64 * 1024
/** URL encoding makes up to three bytes of one. */
const ENCODED = 3

/** The fields of a form: each once. */
export type Fields = ReadonlyMap<string, string>

/**
 * Reads a form that a page of the console sent.
 * @param mostBytes of its fields together
 * @throws ApiError FORBIDDEN_ORIGIN for one from another page; UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE
 */
export async function readForm(c: Context, mostBytes = FORM_BYTES): Promise<Fields> {
  const site = c.req.header('Sec-Fetch-Site')
  const origin = c.req.header('Origin')
  const isForeign = site === undefined ? origin !== undefined && origin.replace(/^https?:\/\//, '') !== c.req.header('Host') : site !== 'same-origin'
  if (isForeign)
    throw new ApiError(
      'FORBIDDEN_ORIGIN',
      `Cannot take the form: it came from another page (${(origin ?? site ?? '').slice(0, 200)}); open the console and send it from there`,
    )
  const type = c.req.header('Content-Type') ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded'))
    throw new ApiError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Cannot take the form: Content-Type is ${JSON.stringify(type.slice(0, 100))}, wanted application/x-www-form-urlencoded`,
    )
  const length = Number(c.req.header('Content-Length') || Number.NaN)
  if (!(length <= ENCODED * mostBytes))
    throw new ApiError('PAYLOAD_TOO_LARGE', `Cannot take the form: it is larger than ${mostBytes} bytes, or does not say how large it is`, {
      headers: { Connection: 'close' },
    })
  const fields = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(await c.req.text())) if (!fields.has(name)) fields.set(name, value)
  return fields
}

/**
 * The same behind the login: it must come from a page of this very session.
 * @throws ApiError as readForm; NOT_PERMITTED
 */
export async function readOwnForm(c: Context, mostBytes = FORM_BYTES): Promise<Fields> {
  const fields = await readForm(c, mostBytes)
  if (!isOwnForm(sessionOf(c), fields.get('csrf') ?? ''))
    throw new ApiError('NOT_PERMITTED', 'Cannot take the form: it did not come from a page of this session; open the page again and send it from there')
  return fields
}
