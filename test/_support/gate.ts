import { connect, createServer, type Server, type Socket } from 'node:net'

/** A way to a service that a test can cut, and lead to another service: one address, whoever is behind it. */
export class Gate implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target: number | undefined
  #port = 0

  private constructor(target: number | undefined) {
    this.#target = target
    this.#server = createServer((socket) => this.#pass(socket))
  }

  /** @param target the port that it leads to; undefined: it is cut */
  static async open(target?: number): Promise<Gate> {
    const gate = new Gate(target)
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve))
    const address = gate.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the gate got no port')
    gate.#port = address.port
    return gate
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Cuts all connections, and refuses others until {@link leadTo}. */
  cut(): void {
    this.leadTo(undefined)
  }

  /** Cuts all connections; those that come from now on go to another port. */
  leadTo(target: number | undefined): void {
    this.#target = target
    for (const socket of this.#sockets) socket.destroy()
  }

  #pass(socket: Socket): void {
    if (this.#target === undefined) return void socket.destroy()
    const onward = connect(this.#target, '127.0.0.1')
    for (const end of [socket, onward]) {
      this.#sockets.add(end)
      end.on('error', () => {})
      end.on('close', () => {
        this.#sockets.delete(end)
        socket.destroy()
        onward.destroy()
      })
    }
    socket.pipe(onward).pipe(socket)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}
