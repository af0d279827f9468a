import type { z } from 'zod'
import { ENVELOPE_BYTES } from '../contract/config.ts'
import { retryAfterMs } from './retry-after.ts'

/** A peer could not be asked, or answered with something other than what was wanted. The message is for people. */
export class PeerError extends Error {
  override readonly name = 'PeerError'
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined
  /** What its Retry-After asked for, in ms. */
  readonly retryAfterMs: number | undefined
  constructor(message: string, options: { readonly status?: number; readonly retryAfterMs?: number | undefined; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.status = options.status
    this.retryAfterMs = options.retryAfterMs
  }
}

/**
 * What a peer sent holds more than a config may have here.
 * @param what names it: "the answer"
 * @param maxBytes of the config alone
 */
export const tooLarge = (what: string, maxBytes: number): PeerError =>
  new PeerError(`${what} is larger than a config may be here (${maxBytes} bytes): raise MAX_CONFIG_BYTES of this service to that of the one that sent it`)

/**
 * Reads a body up to a limit: a peer that sends without end must not fill the memory.
 * @param maxBytes of the config alone; an envelope's own size is added
 */
async function readLimited(response: { readonly body: ReadableStream<Uint8Array> | null }, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  const reader = response.body?.getReader()
  if (!reader) return text
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > maxBytes + ENVELOPE_BYTES) {
      reader.cancel().catch(() => {})
      throw tooLarge('the answer', maxBytes)
    }
    text += decoder.decode(value, { stream: true })
  }
}

/** The innermost reason of a failed fetch: `fetch failed` says nothing, `connect ECONNREFUSED …` does. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  const { cause } = error
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0])
  return cause instanceof Error ? reasonOf(cause) : error.message || ('code' in error ? String(error.code) : error.name)
}

/** How peers are called. */
export interface PeerFetchOptions {
  /** How large an answer may be, in bytes; an envelope's own size is added. */
  readonly maxBytes: number
}

/**
 * A fetch for the typed clients that reads the whole answer within a limit, and follows no redirect: a key
 * must not travel to wherever an answer points. Timeouts come by each call's signal.
 * @throws PeerError where there is no answer
 */
export function createPeerFetch(options: PeerFetchOptions): typeof fetch {
  return async (input, init) => {
    try {
      const response = await fetch(input, { ...init, redirect: 'error' })
      if (response.body === null) return response
      const text = await readLimited(response, options.maxBytes)
      return new Response(text, { status: response.status, headers: response.headers })
    } catch (error) {
      throw error instanceof PeerError ? error : new PeerError(reasonOf(error), { cause: error })
    }
  }
}

/**
 * A fetch for streams: the answer is handed on as it comes, no redirect is followed.
 * @throws PeerError where there is no answer
 */
export const streamingFetch: typeof fetch = async (input, init) => {
  try {
    return await fetch(input, { ...init, redirect: 'error' })
  } catch (error) {
    throw error instanceof PeerError ? error : new PeerError(reasonOf(error), { cause: error })
  }
}

/** The part of a typed client's answer that is read here. */
interface PeerAnswer {
  readonly status: number
  readonly headers: Headers
  text(): Promise<string>
}

/**
 * The `data` of a successful envelope, checked by a schema: a peer may be of another version, or a Go one.
 * @throws PeerError where it is no such envelope
 */
export async function readData<T extends z.ZodType>(answer: PeerAnswer, schema: T): Promise<z.output<T>> {
  const text = await answer.text()
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new PeerError(`answered ${answer.status} with something that is not JSON`, { status: answer.status })
  }
  const data: unknown = typeof body === 'object' && body !== null && 'data' in body ? body.data : undefined
  const parsed = schema.safeParse(data)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new PeerError(`answered ${answer.status} with an unexpected body: data.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`, {
      status: answer.status,
    })
  }
  return parsed.data
}

/** The error that a failed answer stands for, with the envelope's own code and message where it has one. */
export async function failureOf(answer: PeerAnswer): Promise<PeerError> {
  const text = await answer.text().catch(() => '')
  const options = { status: answer.status, retryAfterMs: retryAfterMs(answer.headers.get('Retry-After'), Date.now()) }
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string') {
      return new PeerError(`answered ${answer.status}: ${body.message.slice(0, 500)}`, options)
    }
  } catch {
    // A proxy's page, or nothing: the status has to do.
  }
  return new PeerError(`answered ${answer.status}`, options)
}
