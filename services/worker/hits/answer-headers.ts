/** How much of an answer's headers is kept, in characters. */
const MAX_CHARACTERS = 4096

/** What a session is stolen with: it is in no result. */
const masked = new Set(['set-cookie', 'set-cookie2'])

/** What is about the connection (RFC 9110 section 7.6.1), or told by `size_bytes`: each result would repeat it. */
const leftOut = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length'])

/**
 * The headers of an answer as a result keeps them. Called for each hit: one pass, and nothing is parsed.
 * @param headers by lower-case name, as undici gives them
 */
export function keptHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {}
  let left = MAX_CHARACTERS
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || leftOut.has(name)) continue
    const text = masked.has(name) ? '***' : typeof value === 'string' ? value : value.join(', ')
    left -= name.length + text.length
    if (left < 0) break
    kept[name] = text
  }
  return kept
}
