/** The key that a controller without one of its own takes. */
export const API_KEY = 'default-api-key'

/**
 * A request as it goes over the wire, made once so that the load generator only writes it.
 * @param options.body JSON
 */
export function requestText(
  method: string,
  path: string,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {},
): string {
  const { body } = options
  const headers = {
    Host: '127.0.0.1',
    'X-API-Key': API_KEY,
    ...options.headers,
    ...(body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`
}

/** An answer in raw bytes. */
export interface RawAnswer {
  readonly status: number
  /** Head and body in Latin-1. */
  readonly text: string
  readonly bodyBytes: number
  /** Where the body begins in `text`. */
  readonly bodyAt: number
}

/**
 * Reads an answer with Content-Length, or without a body (304); one request is under way on a connection, so
 * nothing follows it.
 * @returns undefined where it is not complete yet
 * @throws Error where the length is not said, or more came than was said
 */
export function readAnswer(bytes: Buffer): RawAnswer | undefined {
  const text = bytes.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const status = Number(text.slice(9, 12))
  const bodyAt = end + 4
  const bodyBytes = status === 304 ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1])
  if (Number.isNaN(bodyBytes)) throw new Error(`an answer without Content-Length: ${JSON.stringify(text.slice(0, 500))}`)
  const missing = bodyAt + bodyBytes - bytes.length
  if (missing > 0) return undefined
  if (missing < 0) throw new Error(`an answer longer than its Content-Length: ${JSON.stringify(text.slice(0, 500))}`)
  return { status, text, bodyBytes, bodyAt }
}
