const MASK = '***'

const reference = /\$\{secret:[A-Z0-9_]{1,64}\}/g
const credentialName = /key|token|secret|passw|auth|signature|cookie|credential|session|jwt/i
const schemes = 'basic|bearer|digest|negotiate|hmac|token|apikey|aws4-hmac-sha256'
const schemeWord = new RegExp(`^(${schemes})$`, 'i')
const credentialValue = new RegExp(`^(${schemes})\\s+\\S`, 'i')
/** Credentials within a URL: before its host, or in its query. */
const credentialUrl = /\/\/[^/\s@]+@|[?&][^=&\s]*(key|token|secret|passw|auth|sig)[^=&\s]*=/i
/** Pieces as long as keys, tokens and digests are. */
const longPieces = /[A-Za-z0-9+/_=~-]{20,}/g

/** Whether a piece looks drawn and not written: letters among digits, or long and in both cases. */
const looksDrawn = (piece: string): boolean =>
  (/\d/.test(piece) && /[A-Za-z]/.test(piece)) || /^\d+$/.test(piece) || (piece.length >= 32 && /[a-z]/.test(piece) && /[A-Z]/.test(piece))

/**
 * A header value as a list may show it: masked where its name or it itself looks like a credential. What it refers to by
 * `${secret:NAME}` is no credential yet, and is shown where it stands alone or behind a scheme such as Bearer.
 */
export function maskedHeader(name: string, value: string): string {
  const rest = value.replace(reference, '').trim()
  if (rest !== value.trim() && (rest === '' || schemeWord.test(rest))) return value
  const drawn = (rest.match(longPieces) ?? []).some(looksDrawn)
  return credentialName.test(name) || credentialValue.test(rest) || credentialUrl.test(rest) || drawn ? MASK : value
}
