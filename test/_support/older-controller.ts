import { z } from 'zod'
import { StubServer } from './stub-server.ts'

const RegisteredSchema = z.looseObject({ data: z.looseObject({ capabilities: z.array(z.string()) }) })

/**
 * A controller as it was before it could do everything: what registers by it is offered only `capabilities`; all else
 * is passed on to the real one. So an agent follows by long poll, or by polling, over real sockets.
 */
export const olderController = (port: number, capabilities: readonly string[]): Promise<StubServer> =>
  StubServer.open(async (request, response) => {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers
    try {
      const answer = await fetch(`http://127.0.0.1:${port}${request.path}`, {
        method: request.method,
        headers: z.record(z.string(), z.string()).parse(headers),
        signal: gone.signal,
        ...(request.method === 'GET' ? {} : { body: request.body }),
      })
      const text = await answer.text()
      const etag = answer.headers.get('ETag')
      response.writeHead(answer.status, { 'Content-Type': 'application/json', ...(etag === null ? {} : { ETag: etag }) })
      if (request.path !== '/register' || answer.status !== 201) return void response.end(text)
      const registered = RegisteredSchema.parse(JSON.parse(text))
      response.end(JSON.stringify({ ...registered, data: { ...registered.data, capabilities } }))
    } catch {
      // The controller is away, or the agent is: either way there is nobody to answer for.
      response.destroy()
    }
  })
