import type { Readable } from 'node:stream'
import { codingsOf, decoded } from './decode.ts'

/** As much of an answer's body as is kept. */
export interface ReadBody {
  readonly bytes: Buffer
  /** Whether there was more than is kept. */
  readonly truncated: boolean
  /** A valid Content-Length, else the decoded bytes that were seen. */
  readonly size_bytes: number
  /** False where reading stopped before the end: the connection is of no more use. */
  readonly complete: boolean
}

/** What the answer's headers say about its body. */
export interface BodyHeaders {
  readonly contentLength: string | undefined
  readonly contentEncoding: string | undefined
}

/** A Content-Length as a number; undefined where it is none (RFC 9110, section 8.6). */
function lengthOf(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,15}$/.test(header)) return undefined
  return Number(header)
}

/**
 * Reads a body up to a limit, decoded. Reading stops at the limit: what comes after is neither decoded nor
 * waited for. The Content-Length of an encoded answer counts other bytes than those kept, and is not told.
 * @param limit in bytes, of the decoded body
 * @throws the stream's error, zlib's among them
 */
export async function readBody(source: Readable, headers: BodyHeaders, limit: number): Promise<ReadBody> {
  const codings = codingsOf(headers.contentEncoding)
  const declared = codings?.length === 0 || codings === undefined ? lengthOf(headers.contentLength) : undefined
  const stream = codings === undefined || codings.length === 0 ? source : await decoded(source, codings)
  const kept: Buffer[] = []
  let seen = 0
  let complete = true
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError(`Cannot read a body of ${typeof chunk}: expected bytes`)
    if (seen < limit) kept.push(chunk.subarray(0, limit - seen))
    seen += chunk.length
    if (seen > limit || (seen === limit && declared !== undefined && declared > limit)) {
      complete = false
      break
    }
  }
  const size = declared ?? seen
  return { bytes: Buffer.concat(kept), truncated: !complete, size_bytes: size, complete }
}
