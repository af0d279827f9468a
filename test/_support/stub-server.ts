import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'

/** A request as a stub saw it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Answers a request; may keep it waiting. */
export type StubHandler = (request: SeenRequest, response: ServerResponse) => void | Promise<void>

/** A real HTTP server of a test's own that remembers what it was asked; stands for a Go system's service or a target. */
export class StubServer implements AsyncDisposable {
  readonly seen: SeenRequest[] = []
  readonly #server: Server
  #port = 0

  private constructor(handler: StubHandler) {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(Buffer.from(chunk))
      const seen: SeenRequest = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() }
      this.seen.push(seen)
      await handler(seen, response)
    })
  }

  /** @param port 0 lets the kernel choose; a fixed one only to come back where a stub was before */
  static async open(handler: StubHandler, port = 0): Promise<StubServer> {
    const stub = new StubServer(handler)
    await new Promise<void>((resolve, reject) => {
      stub.#server.once('error', reject)
      stub.#server.listen(port, '127.0.0.1', resolve)
    })
    const address = stub.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the stub got no port')
    stub.#port = address.port
    return stub
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The requests of one method and path (without its query). */
  requests(method: string, path: string): SeenRequest[] {
    return this.seen.filter((request) => request.method === method && request.path.split('?')[0] === path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

/** Writes JSON as the Go system's gin does. */
export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers })
  response.end(JSON.stringify(body))
}
