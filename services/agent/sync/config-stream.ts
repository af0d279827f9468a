import { createParser } from 'eventsource-parser'
import { ENVELOPE_BYTES, ReceivedConfigSchema } from '#lib/contract/config.ts'
import { cutOffOf } from '#lib/distribution/cut-off.ts'
import { keyGoneOf } from '#lib/distribution/key-gone.ts'
import { etagOf } from '#lib/http/etag.ts'
import { PeerError, tooLarge } from '#lib/http/peer.ts'
import type { HeldConfig } from './controller-link.ts'

/** Bounds of a stream that is read. */
export interface StreamBounds {
  /** How long the stream may say nothing, in ms: two heartbeats. Beyond that the path is dead, whatever TCP thinks. */
  readonly silence_ms: number
  /** How large a config may be, in bytes. */
  readonly max_bytes: number
}

/** What shows that a stream lives: a config, or a heartbeat. */
export type StreamSign =
  | { readonly kind: 'config'; readonly held: HeldConfig }
  /** With it a relay says for how long its controller has been out of reach, in ms; null where it says nothing. */
  | { readonly kind: 'heartbeat'; readonly relayCutOffMs: number | null; readonly keyGone?: string }

/** The longest time to come back that a stream may name, in ms. */
const MAX_RETRY_MS = 3_600_000

/** The config of an event, checked: a controller may be of another version. */
function configOf(data: string): HeldConfig {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    throw new PeerError('sent an event that is not JSON')
  }
  const parsed = ReceivedConfigSchema.safeParse(value)
  if (!parsed.success) throw new PeerError(`sent an event that is no config: ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
  return { config: parsed.data, etag: etagOf(parsed.data.version) }
}

/**
 * Reads a stream of configs until it is over, which is always an error: it is meant to last.
 * @param onSign told of each heartbeat and each config: bytes alone are no sign that the path passes events on; the next
 * is read when it is done, and where it rejects the stream is given up
 * @throws PeerError where it ends (with the time to come back that it named), falls silent, sends what it must not, or breaks
 */
export async function readConfigStream(body: ReadableStream<Uint8Array>, bounds: StreamBounds, onSign: (sign: StreamSign) => Promise<void>): Promise<never> {
  const signs: StreamSign[] = []
  // What has come since the last whole event: a peer that sends without end must not fill the memory.
  let pending = 0
  // A controller that stops names another time to each of its readers, so that not all come back at once.
  let retryAfterMs: number | undefined
  const parser = createParser({
    onEvent: ({ event, data }) => {
      pending = 0
      if (event === 'config') signs.push({ kind: 'config', held: configOf(data) })
    },
    onComment: (comment) => {
      pending = 0
      const keyGone = keyGoneOf(comment)
      signs.push({ kind: 'heartbeat', relayCutOffMs: cutOffOf(comment), ...(keyGone === undefined ? {} : { keyGone }) })
    },
    onRetry: (ms) => {
      retryAfterMs = Math.min(ms, MAX_RETRY_MS)
    },
  })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await nextChunk(reader, bounds.silence_ms)
      if (done) throw new PeerError('the stream ended', { retryAfterMs })
      pending += value.byteLength
      if (pending > bounds.max_bytes + ENVELOPE_BYTES) throw tooLarge('an event of the stream', bounds.max_bytes)
      parser.feed(decoder.decode(value, { stream: true }))
      for (const sign of signs.splice(0)) await onSign(sign)
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

/** The next chunk, or a PeerError where none comes in time. */
async function nextChunk(reader: ReadableStreamDefaultReader<Uint8Array>, silenceMs: number) {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new PeerError(`the stream said nothing for ${silenceMs / 1000} s`)), silenceMs)
  })
  try {
    return await Promise.race([reader.read(), silence])
  } catch (error) {
    throw error instanceof PeerError ? error : new PeerError(`the stream broke: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}
