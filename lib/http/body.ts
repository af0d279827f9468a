import type { Context, MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { parseStrictJson, StrictJsonError } from '../contract/strict-json.ts'
import { ApiError, invalidPart } from './errors.ts'

/** `application/json`, `application/anything+json`, with UTF-8 where a charset is named (RFC 8259 section 8.1). */
const jsonType = /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json\s*(?:;\s*(?:charset\s*=\s*"?(?:utf-8|us-ascii)"?\s*)?)*$/i

/** Reads a body to its end or to the limit, whichever is first; undefined beyond the limit. */
async function readLimited(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(chunks, size)
    size += value.byteLength
    if (size > maxBytes) {
      // Not awaited: a source that does not take its cancellation must not hold the answer up.
      reader.cancel().catch(() => {})
      return undefined
    }
    chunks.push(value)
  }
}

/** Refuses what is declared as something other than plain JSON; says whether the header must be set for the validator. */
function checkType(type: string | undefined, encoding: string | undefined): void {
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new ApiError('UNSUPPORTED_MEDIA_TYPE', `Cannot read the body: Content-Encoding is ${JSON.stringify(encoding.slice(0, 100))}, wanted none`)
  }
  if (type !== undefined && type !== '' && !jsonType.test(type)) {
    throw new ApiError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Cannot read the body: Content-Type is ${JSON.stringify(type.slice(0, 100))}, wanted application/json in UTF-8 (with curl: -H 'Content-Type: application/json')`,
    )
  }
}

/** Reads a body that names no length (chunked) up to the limit, and puts it where the validator reads it again. */
async function readUncounted(c: Context, maxBytes: number): Promise<Uint8Array | undefined> {
  const { raw } = c.req
  const bytes = raw.body ? await readLimited(raw.body, maxBytes) : new Uint8Array()
  if (bytes)
    c.req.raw = new Request(raw.url, { method: raw.method, headers: new Headers(raw.headers), body: new Blob([new Uint8Array(bytes)]), signal: raw.signal })
  return bytes
}

/** Reads a body whose length is named or not; the client may go away, or be cut off, while it is read. */
async function readBody(c: Context, counted: boolean, maxBytes: number): Promise<Uint8Array | undefined> {
  try {
    return counted ? new Uint8Array(await c.req.arrayBuffer()) : await readUncounted(c, maxBytes)
  } catch {
    throw invalidPart('body', 'it ended before it was complete')
  }
}

/** Refuses a body that would not be stored as it was sent. */
function checkText(bytes: Uint8Array): void {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalidPart('body', 'expected JSON in UTF-8, got bytes that are not UTF-8')
  }
  try {
    parseStrictJson(text)
  } catch (error) {
    if (error instanceof StrictJsonError) throw invalidPart(error.path, error.message)
    throw error
  }
}

/**
 * Reads and checks the JSON body of a route before its schema sees it: 415 for another type, 413 beyond
 * `maxBytes`, 400 with the path for JSON that would not be stored as it was sent. A missing type is taken as JSON.
 */
export function strictJsonBody(options: { readonly maxBytes: number }): MiddlewareHandler {
  const { maxBytes } = options
  const tooLarge = () =>
    new ApiError('PAYLOAD_TOO_LARGE', `Cannot take the request: its body is larger than ${maxBytes} bytes`, { headers: { Connection: 'close' } })

  return createMiddleware(async function strictJson(c, next) {
    const type = c.req.header('Content-Type')
    checkType(type, c.req.header('Content-Encoding'))
    const length = c.req.header('Content-Length')
    if (length !== undefined && Number(length) > maxBytes) throw tooLarge()
    const bytes = await readBody(c, length !== undefined, maxBytes)
    if (bytes === undefined || bytes.byteLength > maxBytes) throw tooLarge()
    checkText(bytes)
    // The validator looks at the type again, and a missing one is taken as JSON.
    if (type !== 'application/json') c.req.raw.headers.set('Content-Type', 'application/json')
    await next()
  })
}
