import { pipeline, Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib'

/** Codings stacked higher than this are an attack: each layer multiplies. */
const MAX_CODINGS = 3

const known = new Set(['gzip', 'x-gzip', 'deflate', 'br'])

/**
 * Reads Content-Encoding (RFC 9110, section 8.4).
 * @returns the codings in the order to undo them; undefined where one is unknown, or there are too many
 */
export function codingsOf(header: string | undefined): readonly string[] | undefined {
  const codings = (header ?? '')
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity')
  return codings.length <= MAX_CODINGS && codings.every((coding) => known.has(coding)) ? codings.reverse() : undefined
}

/** Sends a stream through a decoder; an error or an early end of either ends both. */
const through = (source: Readable, decoder: Transform): Readable => pipeline(source, decoder, () => {})

/** Whether bytes begin as zlib does: method 8, and a multiple of 31 (RFC 1950, section 2.2). */
const isZlib = (bytes: unknown): boolean => Buffer.isBuffer(bytes) && ((bytes[0] ?? 0) & 0x0f) === 8 && (bytes.length < 2 || bytes.readUInt16BE(0) % 31 === 0)

/** Makes the decoder of a coding. `deflate` is zlib by RFC 9110; some servers send it bare. */
function decoderOf(coding: string, firstChunk: unknown): Transform {
  if (coding === 'br') return createBrotliDecompress()
  if (coding === 'deflate') return isZlib(firstChunk) ? createInflate() : createInflateRaw()
  return createGunzip()
}

/** Undoes one coding. An empty body is none in any coding, though a HEAD or 204 may name one. */
async function undo(source: Readable, coding: string): Promise<Readable> {
  const chunks = source.iterator()
  const first = await chunks.next()
  if (first.done) return Readable.from([])
  const whole = async function* () {
    yield first.value
    yield* chunks
  }
  return through(Readable.from(whole()), decoderOf(coding, first.value))
}

/** Undoes the codings, piece by piece: no more is decoded than is read from the result. */
export async function decoded(source: Readable, codings: readonly string[]): Promise<Readable> {
  let stream = source
  for (const coding of codings) stream = await undo(stream, coding)
  return stream
}
