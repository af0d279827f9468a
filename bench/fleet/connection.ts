import { connect, type Socket } from 'node:net'
import type { AnswerHandler, AnswerHead } from '../support/http-reader.ts'
import { HttpReader } from '../support/http-reader.ts'
import { monotonicMs } from '../support/monotonic.ts'

/** Where to connect. */
export interface Target {
  readonly host: string
  readonly port: number
}

/** A complete answer. */
export interface Answer {
  readonly head: AnswerHead
  readonly text: string
  /** When its last byte was read: {@link monotonicMs}. */
  readonly at: number
}

/** A connection that broke, or an answer that did not come in time. */
export class LostError extends Error {
  override readonly name = 'LostError'
  /** In a word or two, to be counted: ECONNREFUSED, closed, silent. */
  readonly reason: string
  constructor(reason: string, message = reason) {
    super(message)
    this.reason = reason
  }
}

/** How something is counted that must not be: bytes that are no HTTP, or not the config that others were given. */
export const faultOf = (error: unknown): string => `fault: ${(error instanceof Error ? error.message : String(error)).slice(0, 300)}`

/** All connections of a process read into this: bytes are looked at in the turn in which they come. */
const shared = Buffer.allocUnsafe(64 * 1024)

interface Exchange extends AnswerHandler {
  fail(error: Error): void
}

/** A kept-alive connection with one request at a time under way, on a bare socket. */
export class AgentConnection {
  readonly #socket: Socket
  #exchange: Exchange | undefined
  #lost: LostError | undefined

  private constructor(target: Target, timeoutMs: number, opened: (error: LostError | undefined) => void) {
    const reader = new HttpReader({
      onHead: (head) => this.#current.onHead(head),
      onBody: (bytes) => this.#current.onBody(bytes),
      onEnd: () => this.#current.onEnd(),
    })
    const onread = {
      buffer: shared,
      callback: (size: number) => {
        try {
          reader.push(shared.subarray(0, size))
        } catch (error) {
          this.#end(new LostError(faultOf(error)))
        }
        return true
      },
    }
    const end = (error: LostError) => {
      this.#end(error)
      opened(error)
    }
    this.#socket = connect({ ...target, noDelay: true, onread })
    this.#socket.setTimeout(timeoutMs)
    this.#socket.once('connect', () => opened(undefined))
    this.#socket.on('timeout', () => end(new LostError('silent')))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => end(new LostError(error.code ?? error.message)))
    this.#socket.on('close', () => end(new LostError('closed')))
  }

  /**
   * Connects.
   * @throws LostError
   */
  static async open(target: Target, timeoutMs: number): Promise<AgentConnection> {
    let connection: AgentConnection | undefined
    await new Promise<void>((resolve, reject) => {
      connection = new AgentConnection(target, timeoutMs, (error) => (error === undefined ? resolve() : reject(error)))
    })
    if (connection === undefined) throw new LostError('closed')
    return connection
  }

  /** Whether it is over: the next request needs another. */
  get over(): boolean {
    return this.#lost !== undefined
  }

  /**
   * Sends a request and reads its whole answer.
   * @param silenceMs how long nothing at all may come
   * @param sink takes the body of a 200 as it comes, and is told that it begins; without one the body is the answer's text
   * @throws LostError where the connection breaks first
   */
  request(bytes: string, silenceMs: number, sink?: { readonly onOpen: () => void; readonly onBytes: (bytes: Buffer) => void }): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#lost) return reject(this.#lost)
      let head: AnswerHead | undefined
      const parts: Buffer[] = []
      const piped = () => sink !== undefined && head?.status === 200
      this.#exchange = {
        onHead: (received) => {
          head = received
          if (piped()) sink?.onOpen()
        },
        onBody: (body) => {
          if (piped()) sink?.onBytes(body)
          else parts.push(Buffer.from(body))
        },
        onEnd: () => {
          const at = monotonicMs()
          this.#exchange = undefined
          if (head !== undefined) resolve({ head, text: parts.length === 1 ? String(parts[0]) : Buffer.concat(parts).toString(), at })
        },
        fail: reject,
      }
      this.#socket.setTimeout(silenceMs)
      this.#socket.write(bytes)
    })
  }

  /** Reads nothing any more: what comes stays in the kernel, until its buffers are full. Nobody watches the clock either. */
  stopReading(): void {
    this.#socket.setTimeout(0)
    this.#socket.pause()
  }

  /** Ends it without a word. */
  close(): void {
    this.#end(new LostError('closed'))
  }

  get #current(): Exchange {
    if (this.#exchange === undefined) throw new Error('an answer that nobody asked for')
    return this.#exchange
  }

  #end(error: LostError): void {
    if (this.#lost) return
    this.#lost = error
    this.#socket.destroy()
    this.#exchange?.fail(error)
    this.#exchange = undefined
  }
}
