import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

/** A request as a raw target read it. */
export interface RawRequest {
  readonly method: string
  readonly path: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Which connection it came on, from 1. */
  readonly connection: number
}

/** Answers a request byte by byte, as it likes; `target` tells its own port. */
export type RawHandler = (socket: Socket, request: RawRequest, target: RawTarget) => void

/** How a target listens. */
export interface RawTargetOptions {
  /** Speaks TLS with this key and certificate, in PEM. */
  readonly tls?: TlsOptions
  /** Called for each connection, before any byte. */
  readonly onConnection?: (socket: Socket) => void
  /** Where to listen; 127.0.0.1 where absent. */
  readonly host?: string
}

function parseRequest(text: string, connection: number): { readonly request: RawRequest; readonly size: number } | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [line = '', ...lines] = text.slice(0, end).split('\r\n')
  const [method = '', path = ''] = line.split(' ')
  const headers = Object.fromEntries(lines.map((header) => [header.slice(0, header.indexOf(':')).toLowerCase(), header.slice(header.indexOf(':') + 1).trim()]))
  const length = Number(headers['content-length'] ?? 0)
  const size = end + 4 + length
  return text.length < size ? undefined : { request: { method, path, headers, body: text.slice(end + 4, size), connection }, size }
}

/**
 * A target on loopback, at a port of the kernel's choosing, that writes what its handler says and nothing
 * else: no HTTP library stands between a test and the bytes of a hostile answer.
 */
export class RawTarget implements AsyncDisposable {
  readonly requests: RawRequest[] = []
  /** Connections that were opened so far. */
  connections = 0
  readonly #server: Server
  readonly #open = new Set<Socket>()
  readonly #scheme: string
  readonly #host: string

  private constructor(handler: RawHandler, options: RawTargetOptions) {
    this.#scheme = options.tls ? 'https' : 'http'
    this.#host = options.host ?? '127.0.0.1'
    const accept = (socket: Socket): void => {
      this.connections += 1
      const connection = this.connections
      this.#open.add(socket)
      socket.on('close', () => this.#open.delete(socket)).on('error', () => {})
      options.onConnection?.(socket)
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        for (let parsed = parseRequest(text, connection); parsed; parsed = parseRequest(text, connection)) {
          text = text.slice(parsed.size)
          this.requests.push(parsed.request)
          handler(socket, parsed.request, this)
        }
      })
    }
    this.#server = options.tls ? createTlsServer(options.tls, accept).on('tlsClientError', () => {}) : createServer(accept)
  }

  /** Begins to listen. */
  static async open(handler: RawHandler, options: RawTargetOptions = {}): Promise<RawTarget> {
    const target = new RawTarget(handler, options)
    target.#server.listen(0, target.#host)
    await once(target.#server, 'listening')
    return target
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the target does not listen')
    return address.port
  }

  /** The URL of a path here, by address or by a name that a test's resolver knows. */
  url(path = '/', host = this.#host.includes(':') ? `[${this.#host}]` : this.#host): string {
    return `${this.#scheme}://${host}:${this.port}${path}`
  }

  /** How many connections are open now. */
  get open(): number {
    return this.#open.size
  }

  /** Waits until the other side has closed all connections. */
  async allClosed(): Promise<void> {
    // Not events.once: it rejects where a reset comes before the close.
    await Promise.all([...this.#open].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** An answer with a Content-Length, the usual way. */
export function plainAnswer(status: number, body: string | Uint8Array = '', headers: Readonly<Record<string, string>> = {}): Buffer {
  const bytes = Buffer.from(body)
  const lines = Object.entries({ 'Content-Length': String(bytes.length), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join('')}\r\n`, 'latin1'), bytes])
}

/** A port on loopback where nobody listens: it was the kernel's choice a moment ago. */
export async function deadPort(): Promise<number> {
  await using target = await RawTarget.open(() => {})
  return target.port
}
