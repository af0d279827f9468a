import { createParser } from 'eventsource-parser'
import { ENVELOPE_BYTES, ReceivedConfigSchema } from '#lib/contract/config.ts'
import { etagOf } from '#lib/http/etag.ts'
import { PeerError } from '#lib/http/peer.ts'
import type { HeldConfig } from './controller-link.ts'

/** Bounds of a stream that is read. */
export interface StreamBounds {
  /** How long the stream may say nothing, in ms: two heartbeats. Beyond that the path is dead, whatever TCP thinks. */
  readonly silence_ms: number
  /** How large a config may be, in bytes. */
  readonly max_bytes: number
}

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
 * Reads a stream of configs to its end.
 * @param onSign told of each heartbeat and each config: bytes alone are no sign that the path passes events on
 * @throws PeerError where it falls silent, sends what it must not, or breaks
 */
export async function readConfigStream(body: ReadableStream<Uint8Array>, bounds: StreamBounds, onSign: (held: HeldConfig | undefined) => void): Promise<void> {
  const signs: (HeldConfig | undefined)[] = []
  // What has come since the last whole event: a peer that sends without end must not fill the memory.
  let pending = 0
  const parser = createParser({
    onEvent: ({ event, data }) => {
      pending = 0
      if (event === 'config') signs.push(configOf(data))
    },
    onComment: () => {
      pending = 0
      signs.push(undefined)
    },
  })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await nextChunk(reader, bounds.silence_ms)
      if (done) return
      pending += value.byteLength
      if (pending > bounds.max_bytes + ENVELOPE_BYTES) throw new PeerError(`sent an event larger than ${bounds.max_bytes} bytes`)
      parser.feed(decoder.decode(value, { stream: true }))
      for (const held of signs.splice(0)) onSign(held)
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
