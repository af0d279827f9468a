import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

/** A step of a raw request: bytes to write, or ms to let pass between them. */
export type Step = string | Uint8Array | number

/** Undoes the chunked encoding; undefined where the last chunk is not there yet. */
function unchunk(bytes: Buffer): { readonly body: Buffer; readonly size: number } | undefined {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, end), 16)
    if (bytes.length < end + 2 + size + 2) return undefined
    if (size === 0) return { body: Buffer.concat(parts), size: end + 4 }
    parts.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
}

/**
 * The first answer in the bytes and what follows it; undefined where it is not complete yet.
 * @param options.head the request was a HEAD: the answer has no body, whatever its headers say
 */
export function parseAnswer(
  bytes: Buffer,
  options: { readonly head?: boolean; readonly ended: boolean },
): { readonly answer: RawAnswer; readonly rest: Buffer } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const status = Number(statusLine.split(' ')[1])
  const headers = new Headers(lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
  const after = bytes.subarray(end + 4)
  const done = (body: Buffer, size: number) => ({ answer: { status, headers, body: body.toString('utf8') }, rest: after.subarray(size) })
  if (options.head || status === 304 || status < 200) return done(Buffer.alloc(0), 0)
  if (headers.get('Transfer-Encoding') === 'chunked') {
    const whole = unchunk(after)
    return whole && done(whole.body, whole.size)
  }
  const length = headers.get('Content-Length')
  if (length === null) return options.ended ? done(after, after.length) : undefined
  return after.length < Number(length) ? undefined : done(after.subarray(0, Number(length)), Number(length))
}

async function write(socket: Socket, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (!socket.writable) return
    if (typeof step === 'number') await delay(step)
    else socket.write(step)
  }
}

/**
 * Writes bytes to a port and gives the first final answer (interim 1xx answers are passed over), or undefined
 * where the connection was closed without one. The socket is closed in any case.
 * @param options.timeoutMs after which a server that says nothing fails the test: it hangs
 * @param options.half closes the writing side after the last byte, so that a truncated request ends
 */
export async function rawRequest(
  port: number,
  steps: Step | readonly Step[],
  options: { readonly head?: boolean; readonly half?: boolean; readonly timeoutMs?: number } = {},
): Promise<RawAnswer | undefined> {
  const timeoutMs = options.timeoutMs ?? 10_000
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  let bytes = Buffer.alloc(0)
  try {
    await once(socket, 'connect')
    const answered = new Promise<RawAnswer | undefined>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer and no end of the connection within ${timeoutMs} ms`)), timeoutMs)
      const settle = (ended: boolean) => {
        for (;;) {
          const parsed = parseAnswer(bytes, { ...(options.head ? { head: true } : {}), ended })
          if (parsed && parsed.answer.status < 200) bytes = Buffer.from(parsed.rest)
          else if (parsed || ended) {
            clearTimeout(timer)
            return resolve(parsed?.answer)
          } else return
        }
      }
      socket.on('data', (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk])
        settle(false)
      })
      socket.on('end', () => settle(true))
      // A reset may follow an answer that is already here: what counts is what arrived.
      socket.on('error', () => settle(true))
      socket.on('close', () => settle(true))
    })
    const writing = write(socket, Array.isArray(steps) ? steps : [steps].flat()).then(() => (options.half ? socket.end() : undefined))
    const answer = await answered
    socket.destroy()
    await writing
    return answer
  } finally {
    socket.destroy()
  }
}

/** Writes bytes to a port and gives all answers, once the server has closed the connection. */
export async function rawAnswers(port: number, steps: readonly Step[]): Promise<RawAnswer[]> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  await write(socket, steps)
  await closed
  const answers: RawAnswer[] = []
  for (let rest: Buffer = Buffer.concat(chunks); rest.length > 0; ) {
    const parsed = parseAnswer(rest, { ended: true })
    if (!parsed) throw new Error(`no answer: ${rest.toString('latin1')}`)
    answers.push(parsed.answer)
    rest = parsed.rest
  }
  return answers
}

/** The bytes of an ordinary request; Host and Content-Length are added where they are not given. */
export function requestBytes(
  method: string,
  path: string,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string | Uint8Array } = {},
): Buffer {
  const body = Buffer.from(options.body ?? '')
  const given = new Headers(options.headers)
  const headers = { ...(given.has('Host') ? {} : { Host: '127.0.0.1' }), ...options.headers }
  const length = options.body === undefined || given.has('Content-Length') || given.has('Transfer-Encoding') ? '' : `Content-Length: ${body.length}\r\n`
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${head.join('')}${length}\r\n`, 'latin1'), body])
}
