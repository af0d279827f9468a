import { isUtf8 } from 'node:buffer'
import { TextDecoder } from 'node:util'
import type { HitResult } from '#lib/contract/hit.ts'

/** Types whose charset parameter is to be believed; elsewhere only UTF-8 is text. */
const textual = /^(text\/|application\/(json|xml|javascript|x-www-form-urlencoded|[^;\s]+\+(json|xml))\s*(;|$))/i

/** The charset that a Content-Type names; undefined where it names none, or is none to believe. */
const charsetOf = (contentType: string | undefined): string | undefined =>
  contentType?.includes(';') && textual.test(contentType) ? /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType)?.[1] : undefined

/** The decoder of a charset; UTF-8 where there is none or it is unknown. */
function decoderOf(charset: string | undefined): TextDecoder {
  // ignoreBOM keeps a byte order mark in the text: the bytes of UTF-8 can be had back exactly.
  const options = { fatal: true, ignoreBOM: true }
  try {
    return new TextDecoder(charset ?? 'utf-8', options)
  } catch {
    return new TextDecoder('utf-8', options)
  }
}

/** Decodes what is text; undefined for what is none. */
function decoded(bytes: Buffer, contentType: string | undefined, truncated: boolean): string | undefined {
  const charset = charsetOf(contentType)
  // The common case, without a decoder of its own.
  if (!truncated && (charset === undefined || /^utf-?8$/i.test(charset))) return isUtf8(bytes) ? bytes.toString('utf8') : undefined
  try {
    return decoderOf(charset).decode(bytes, { stream: truncated })
  } catch {
    return undefined
  }
}

/**
 * Text as text, anything else in base64. Text is what its charset can decode without an error, and holds no NUL.
 * @param truncated leaves out a character that the limit has cut in two
 */
export function bodyFields(bytes: Buffer, contentType: string | undefined, truncated: boolean): Pick<HitResult, 'body' | 'body_encoding'> {
  const body = decoded(bytes, contentType, truncated)
  return body === undefined || body.includes('\0') ? { body: bytes.toString('base64'), body_encoding: 'base64' } : { body }
}
