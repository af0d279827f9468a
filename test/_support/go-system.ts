import { z } from 'zod'
import { type SeenRequest, type StubHandler, StubServer, sendJson } from './stub-server.ts'

const envelope = (status: number, data: unknown) => ({ request_id: 'go', status, success: true, message: 'success', data })
const failure = (status: number, code: string, message: string) => ({ request_id: 'go', status, success: false, message, error: { code, message } })

/** A config as the Go controller gives it. */
export interface GoConfig {
  readonly id: string
  readonly version: number
  readonly data: Readonly<Record<string, unknown>>
  readonly poll_interval_seconds: number
}

/** The Go system's controller as clients see it: no capabilities, a bare ETag, `wait` unknown. */
export class GoController {
  config: GoConfig | undefined
  /** What it answers instead of serving, while it is set. */
  failing: { readonly status: number; readonly headers?: Readonly<Record<string, string>> } | undefined

  readonly handler: StubHandler = (request, response) => {
    if (this.failing) return sendJson(response, this.failing.status, failure(this.failing.status, 'INTERNAL', 'failing'), this.failing.headers)
    if (request.headers['x-api-key'] !== 'default-api-key') return sendJson(response, 403, failure(403, 'FORBIDDEN', 'invalid API key'))
    const path = request.path.split('?')[0]
    if (request.method === 'POST' && path === '/register') {
      return sendJson(
        response,
        201,
        envelope(201, { agent_id: 'go-agent-id', status: 'active', poll_url: '/config', poll_interval_seconds: this.config?.poll_interval_seconds ?? 30 }),
      )
    }
    if (request.method === 'GET' && path === '/config') {
      if (!this.config) return sendJson(response, 404, failure(404, 'NOT_FOUND', 'no config available'))
      const etag = String(this.config.version)
      if (request.headers['if-none-match'] === etag) return void response.writeHead(304, { ETag: etag }).end()
      return sendJson(response, 200, envelope(200, this.config), { ETag: etag })
    }
    return sendJson(response, 404, failure(404, 'NOT_FOUND', 'page not found'))
  }
}

const GoWorkerConfigSchema = z.object({ version: z.number(), data: z.record(z.string(), z.unknown()) })

/** The Go system's worker as an agent sees it: it knows nothing of `if_newer`, and forgets its config when it restarts. */
export class GoWorker {
  config: z.infer<typeof GoWorkerConfigSchema> | undefined
  /** What it answers to a config instead of taking it, while it is set. */
  refusing: { readonly status: number; readonly message: string } | undefined

  readonly handler: StubHandler = (request, response) => {
    const path = request.path.split('?')[0]
    if (request.method === 'POST' && path === '/config') {
      if (this.refusing) return sendJson(response, this.refusing.status, failure(this.refusing.status, 'INVALID_REQUEST', this.refusing.message))
      this.config = GoWorkerConfigSchema.parse(JSON.parse(request.body))
      return sendJson(response, 200, envelope(200, { version: this.config.version }))
    }
    if (request.method === 'GET' && path === '/config') {
      if (!this.config) return sendJson(response, 404, failure(404, 'NOT_FOUND', 'no config loaded'))
      return sendJson(response, 200, envelope(200, this.config))
    }
    return sendJson(response, 404, failure(404, 'NOT_FOUND', 'page not found'))
  }
}

/** The versions that were handed to a worker, in the order they came. */
export const versionsGiven = (worker: { requests(method: string, path: string): SeenRequest[] }): number[] =>
  worker.requests('POST', '/config').map(({ body }) => GoWorkerConfigSchema.parse(JSON.parse(body)).version)

/** A stub server with a Go controller or worker behind it. */
export const serveGo = <T extends { readonly handler: StubHandler }>(service: T, port?: number): Promise<StubServer> => StubServer.open(service.handler, port)
