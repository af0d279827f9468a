import type { Readable } from 'node:stream'
import { errors } from 'undici'
import type { ReadBody } from './body.ts'
import type { Connections } from './connections.ts'
import { HitFailure } from './failure.ts'
import type { Guard } from './guard.ts'
import type { Hop } from './request.ts'
import type { Stopwatch } from './timings.ts'

/** The body of a redirect is read up to here, to keep the connection, and no further. */
const SKIPPED_BYTES = 16 * 1024

/** The head of an answer; its body is still to be read or skipped, exactly once. */
export interface Answer {
  readonly status: number
  /** A header by lower-case name, several lines of it joined; undefined where it is absent. */
  header(name: string): string | undefined
  /** Reads the body, then gives the connection back, or closes it where there is more to come. */
  read(reader: (stream: Readable) => Promise<ReadBody>): Promise<ReadBody>
  /** Does without the body: a short one is read for the connection's sake. */
  skip(): Promise<void>
}

/** What a hop is sent with. */
export interface HopContext {
  readonly guard: Guard
  readonly connections: Connections
  readonly watch: Stopwatch
  readonly signal: AbortSignal
}

/**
 * Sends one request, once the guard lets its URL pass, and resolves with the head of the answer.
 * @throws HitFailure; undici's errors; the signal's reason
 */
export async function sendHop(hop: Hop, { guard, connections, watch, signal }: HopContext): Promise<Answer> {
  const refusal = guard.checkUrl(hop.url)
  if (refusal !== undefined) throw new HitFailure('blocked_address', `the target ${refusal}`)
  signal.throwIfAborted()
  watch.hop()
  const lease = connections.lease(hop.url, { watch, signal })
  const { method, headers, body, url } = hop
  try {
    const response = await lease.client.request({ path: `${url.pathname}${url.search}`, method, headers: { ...headers }, body: body ?? null, signal })
    watch.end('processing')
    const header = (name: string): string | undefined => {
      const value = response.headers[name]
      return typeof value === 'string' ? value : value?.join(', ')
    }
    const read = async (reader: (stream: Readable) => Promise<ReadBody>): Promise<ReadBody> => {
      try {
        const result = await reader(response.body)
        if (result.complete) lease.release()
        else lease.discard()
        return result
      } catch (error) {
        lease.discard()
        throw error
      }
    }
    const skip = async (): Promise<void> => {
      const length = header('content-length')
      if (length !== undefined && Number(length) <= SKIPPED_BYTES) {
        await read(async (stream) => {
          for await (const chunk of stream) void chunk
          return { bytes: Buffer.alloc(0), truncated: false, size_bytes: 0, complete: true }
        })
        return
      }
      // A destroyed body says so with an error that concerns nobody.
      response.body.on('error', () => {}).destroy()
      lease.discard()
    }
    return { status: response.statusCode, header, read, skip }
  } catch (error) {
    lease.discard()
    throw headError(error)
  }
}

/** undici says of any head that it cannot parse after a Content-Length that the length is wrong; here no body was due yet. */
function headError(error: unknown): unknown {
  const misnamed = error instanceof errors.ResponseContentLengthMismatchError
  return misnamed ? new HitFailure('invalid_response', 'the head of the answer is not valid HTTP/1.1', { cause: error }) : error
}
