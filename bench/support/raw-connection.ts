import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type RawAnswer, readAnswer } from './http-text.ts'

/** A kept-alive connection on which one request at a time is under way: no client library is in the way. */
export class RawConnection {
  readonly #socket: Socket
  #held: Buffer | undefined
  #answered: ((answer: RawAnswer) => void) | undefined
  #failed: (error: Error) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('close', () => this.#failed(new Error('the server closed a connection')))
    socket.on('error', (error) => this.#failed(error))
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new RawConnection(socket)
  }

  /** Opens many, in waves that fit any listen backlog. */
  static async openMany(port: number, connections: number): Promise<RawConnection[]> {
    const opened: RawConnection[] = []
    while (opened.length < connections) {
      const wave = Math.min(100, connections - opened.length)
      opened.push(...(await Promise.all(Array.from({ length: wave }, () => RawConnection.open(port)))))
    }
    return opened
  }

  /**
   * Writes a request.
   * @param answered called with the complete answer; a callback, since a promise a request would cost the load generator
   * @param failed called where the connection breaks, or the answer is no HTTP that {@link readAnswer} takes
   */
  send(request: Buffer, answered: (answer: RawAnswer) => void, failed: (error: Error) => void): void {
    this.#answered = answered
    this.#failed = failed
    this.#socket.write(request)
  }

  close(): void {
    this.#failed = () => {}
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
    try {
      const answer = readAnswer(bytes)
      this.#held = answer === undefined ? bytes : undefined
      if (answer !== undefined) this.#answered?.(answer)
    } catch (error) {
      this.#failed(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
