import { TextDecoder } from 'node:util'
import type { HitResult } from '#lib/contract/hit.ts'

/** Types whose charset parameter is to be believed; elsewhere only UTF-8 is text. */
const textual = /^(text\/|application\/(json|xml|javascript|x-www-form-urlencoded|[^;\s]+\+(json|xml))\s*(;|$))/i

/** The decoder that a Content-Type asks for; UTF-8 where it names none or one that is unknown. */
function decoderOf(contentType: string | undefined): TextDecoder {
  // ignoreBOM keeps a byte order mark in the text: the bytes of UTF-8 can be had back exactly.
  const options = { fatal: true, ignoreBOM: true }
  const charset = contentType !== undefined && textual.test(contentType) ? /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType)?.[1] : undefined
  try {
    return new TextDecoder(charset ?? 'utf-8', options)
  } catch {
    return new TextDecoder('utf-8', options)
  }
}

/**
 * Text as text, anything else in base64. Text is what its charset can decode without an error, and holds no NUL.
 * @param truncated leaves out a character that the limit has cut in two
 */
export function bodyFields(bytes: Buffer, contentType: string | undefined, truncated: boolean): Pick<HitResult, 'body' | 'body_encoding'> {
  try {
    const body = decoderOf(contentType).decode(bytes, { stream: truncated })
    if (!body.includes('\0')) return { body }
  } catch {
    // Not text in that charset.
  }
  return { body: bytes.toString('base64'), body_encoding: 'base64' }
}
