import type { HitErrorClass } from '#lib/contract/hit.ts'
import { HitFailure } from './failure.ts'

/** An error's class and what to tell people about it. */
interface Verdict {
  readonly error_class: HitErrorClass
  readonly message: string
}

const unreachable = 'the target cannot be reached'
const lost: Verdict = { error_class: 'connection_reset', message: 'the connection ended before the answer did' }
const noHttp: Verdict = { error_class: 'invalid_response', message: 'the answer is not valid HTTP/1.1' }

/** By `error.code`: Node's system errors, undici's and llhttp's. The texts hold no address: Node's own do. */
const byCode = new Map<string, Verdict>([
  ['ECONNREFUSED', { error_class: 'connection_refused', message: 'the target refuses connections' }],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL', 'EACCES', 'EPERM', 'EAFNOSUPPORT', 'EINVAL'].map((code): [string, Verdict] => [
    code,
    { error_class: 'connection_refused', message: `${unreachable} (${code})` },
  ]),
  ['ETIMEDOUT', { error_class: 'timeout', message: 'the target did not answer in time' }],
  ...['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ENOTCONN', 'UND_ERR_SOCKET'].map((code): [string, Verdict] => [code, lost]),
  // What undici says where the connection closes before Content-Length bytes have come.
  [
    'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
    { error_class: 'connection_reset', message: 'the connection ended before as many bytes came as Content-Length says' },
  ],
  ['UND_ERR_HEADERS_OVERFLOW', { error_class: 'invalid_response', message: "the answer's headers are too large" }],
])

/** zlib's codes, and those of brotli as Node makes them. */
const isCodingError = (code: string): boolean => /^(Z_|ERR_(BROTLI|_ERROR|_UNREACHABLE|PADDING))/.test(code)

/**
 * Puts whatever ended an attempt into one of the closed classes.
 * @returns `internal` for what it does not know: a mistake of ours
 */
export function classify(error: unknown): Verdict {
  if (error instanceof HitFailure) return { error_class: error.error_class, message: error.message }
  if (!(error instanceof Error)) return { error_class: 'internal', message: 'the worker made a mistake' }
  const code = 'code' in error ? String(error.code) : ''
  // undici has one code for a connection that ended and for an answer out of place, such as 100 or 101.
  if (code === 'UND_ERR_SOCKET' && /^bad (response|upgrade)$/.test(error.message)) return noHttp
  const known = byCode.get(code)
  if (known !== undefined) return known
  // undici's parser error has no code of its own: what was wrong is in its message.
  if (error.name === 'HTTPParserError') return /EOF/.test(error.message) ? lost : noHttp
  if (isCodingError(code)) return { error_class: 'invalid_response', message: `the answer is not what its Content-Encoding says (${code})` }
  if (/^(ERR_SSL_|ERR_TLS_)|^EPROTO$/.test(code)) return { error_class: 'tls_error', message: `the TLS connection failed (${code})` }
  return { error_class: 'internal', message: `the worker made a mistake (${code || error.name})` }
}
