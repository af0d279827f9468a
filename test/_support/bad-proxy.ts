import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** What the proxy does to the path between an agent and its controller. */
export type Behaviour =
  | { readonly kind: 'pass' }
  /** Closes every connection as soon as it is there. */
  | { readonly kind: 'refuse' }
  /** Takes connections and bytes, and passes nothing on; closes nothing either. */
  | { readonly kind: 'silent' }
  /** Cuts each connection so long after it was opened. */
  | { readonly kind: 'cut'; readonly after_ms: number }
  /** Keeps answers of `/config/stream` to itself for ever, with or without their head. */
  | { readonly kind: 'buffer'; readonly head: boolean }
  /** Answers each request itself. */
  | { readonly kind: 'answer'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Passes answers on in pieces of so many bytes, with so many ms between them. */
  | { readonly kind: 'split'; piece(): number; pauseMs(): number }

/** One connection through the proxy. */
interface Path {
  readonly near: Socket
  readonly far: Socket
  /** Nothing passes any more, in either direction. */
  frozen: boolean
  /** The latest request on it asks for a stream. */
  stream: boolean
  /** Bytes of the stream's answer so far, while it is buffered. */
  answered: number
  /** The end of all that is to be written to the near side. */
  writing: Promise<void>
}

const requestLine = /^(?:GET|POST|PUT|DELETE|HEAD) (\S+) HTTP\/1\.1\r$/gm

/** A proxy of a test's own between an agent and a controller, that does what bad paths do. It counts what it sees. */
export class BadProxy implements AsyncDisposable {
  behaviour: Behaviour = { kind: 'pass' }
  /** The paths that were asked for, in their order. */
  readonly requests: string[] = []
  /** How many connections were opened. */
  connections = 0
  readonly #paths = new Set<Path>()
  readonly #server: Server
  readonly #farPort: number

  private constructor(farPort: number) {
    this.#farPort = farPort
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => this.#accept(near))
  }

  /** @param farPort where the controller listens */
  static async open(farPort: number): Promise<BadProxy> {
    const proxy = new BadProxy(farPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy got no port')
    return `http://127.0.0.1:${address.port}`
  }

  /** How many of the requests were made to follow; reports are another matter. */
  get following(): number {
    return this.requests.filter((path) => path === '/register' || path.startsWith('/config')).length
  }

  /** How many of the requests were for a path, whatever its query. */
  count(path: string): number {
    return this.requests.filter((request) => request.split('?')[0] === path).length
  }

  /** All connections that are open now go silent without closing; new ones behave as `behaviour` says. */
  freeze(): void {
    for (const path of this.#paths) path.frozen = true
  }

  /** Ends one direction of each open connection: towards the agent, or towards the controller. */
  halfClose(towards: 'agent' | 'controller'): void {
    for (const { near, far } of this.#paths) (towards === 'agent' ? near : far).end()
  }

  #accept(near: Socket): void {
    this.connections++
    near.on('error', () => {})
    if (this.behaviour.kind === 'refuse') return void near.destroy()
    const far = connect({ port: this.#farPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const path: Path = { near, far, frozen: false, stream: false, answered: 0, writing: Promise.resolve() }
    this.#paths.add(path)
    far.on('error', () => {})
    near.on('data', (chunk: Buffer) => this.#fromNear(path, chunk))
    far.on('data', (chunk: Buffer) => this.#fromFar(path, chunk))
    near.once('end', () => path.frozen || far.end())
    far.once('end', () => path.frozen || near.end())
    const cut = this.behaviour.kind === 'cut' ? setTimeout(() => near.destroy(), this.behaviour.after_ms) : undefined
    near.once('close', () => {
      clearTimeout(cut)
      this.#paths.delete(path)
      far.destroy()
    })
    far.once('close', () => path.frozen || near.destroy())
  }

  #fromNear(path: Path, chunk: Buffer): void {
    for (const [, target = ''] of chunk.toString('latin1').matchAll(requestLine)) {
      this.requests.push(target)
      path.stream = target === '/config/stream'
      path.answered = 0
    }
    const { behaviour } = this
    if (behaviour.kind === 'silent') path.frozen = true
    if (path.frozen) return
    if (behaviour.kind !== 'answer') return void path.far.write(chunk)
    const headers = Object.entries({ 'Content-Type': 'text/html', 'Content-Length': '0', Connection: 'close', ...behaviour.headers })
    path.near.end(`HTTP/1.1 ${behaviour.status} Bad Path\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
  }

  #fromFar(path: Path, chunk: Buffer): void {
    const { behaviour } = this
    if (path.frozen || behaviour.kind === 'silent') return
    if (behaviour.kind === 'buffer' && path.stream) {
      const head = chunk.indexOf('\r\n\r\n')
      if (behaviour.head && path.answered === 0 && head !== -1) path.near.write(chunk.subarray(0, head + 4))
      path.answered += chunk.length
    } else if (behaviour.kind === 'split') path.writing = path.writing.then(() => this.#inPieces(path.near, chunk, behaviour))
    else path.near.write(chunk)
  }

  async #inPieces(near: Socket, chunk: Buffer, { piece, pauseMs }: Behaviour & { kind: 'split' }): Promise<void> {
    for (let at = 0; at < chunk.length && near.writable; ) {
      const end = at + piece()
      near.write(chunk.subarray(at, end))
      at = end
      await delay(pauseMs())
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { near, far } of this.#paths) {
      near.destroy()
      far.destroy()
    }
    this.#server.close()
    await once(this.#server, 'close')
  }
}
