import { createServer, type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import { errorBody } from '../contract/envelope.ts'
import { type ErrorCode, errorTable } from '../contract/errors.ts'
import type { RequestCounts } from '../observe/metrics/requests.ts'
import { StartError } from '../runtime/env.ts'
import type { Admission } from './admission.ts'
import { countedResponse } from './counted-response.ts'
import { requestIdFrom } from './request-id.ts'

/** How long a client may take to send its headers and its whole request, in ms: a trickle is cut off. */
export interface RequestTimeouts {
  readonly headers_ms: number
  readonly request_ms: number
}

const defaultTimeouts: RequestTimeouts = { headers_ms: 10_000, request_ms: 30_000 }

/**
 * Answers a request before it becomes a web Request, or leaves it to the app: for the one route whose rate
 * matters. Must not throw.
 * @returns whether it has answered
 */
export type FastLane = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean

/** A listening server. */
export interface Listening {
  readonly port: number
  readonly host: string
  readonly server: Server
  /** Takes no new connections; lets running requests end until the signal aborts, then cuts them off. */
  close(signal: AbortSignal): Promise<void>
}

/** What the HTTP parser refuses never becomes a request, so it is answered here, with the same envelope. */
const parserErrors: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'Cannot take the request: it did not arrive completely in time'],
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'Cannot take the request: its headers are larger than 16 KiB'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['PAYLOAD_TOO_LARGE', 'Cannot take the request: its chunk extensions are too large'],
}

/** The answer that Node is making on a connection, to a request that has arrived completely; its own field, and no more than that. */
function answerUnderWay(socket: Duplex): ServerResponse | undefined {
  const message = '_httpMessage' in socket ? socket._httpMessage : undefined
  return message instanceof ServerResponse && message.req.complete && !message.writableFinished ? message : undefined
}

/** Answers what could not be parsed, and closes the connection. */
function connectionRefuser(requests: RequestCounts | undefined): (error: Error & { code?: string }, socket: Duplex) => void {
  const waiting = new WeakSet<Duplex>()
  return function refuse(error, socket) {
    if (waiting.has(socket)) return
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    // What is wrong came behind a request that is being served: a 400 in front of its 201 would be taken for its answer.
    const answer = answerUnderWay(socket)
    if (answer) {
      waiting.add(socket)
      answer.once('finish', () => {
        waiting.delete(socket)
        if (socket.writable) refuse(error, socket)
      })
      return
    }
    const [code, message] = parserErrors[error.code ?? ''] ?? ['INVALID_REQUEST', 'Cannot take the request: it is not valid HTTP']
    endWith(socket, code, message, requests)
  }
}

/** Writes an error straight to a socket, and closes it. */
function endWith(socket: Duplex, code: ErrorCode, message: string, requests: RequestCounts | undefined): void {
  const { status } = errorTable[code]
  requests?.refused(status)
  const id = requestIdFrom(null)
  const body = JSON.stringify(errorBody(id, code, message))
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\nX-Request-Id: ${id}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`
  socket.end(head + body)
}

/** The answer to what never reached the app: a Host or target that makes no URL, or a fault of ours. */
function refuseRequest(error: unknown): Response {
  const body =
    error instanceof RequestError
      ? errorBody(requestIdFrom(null), 'INVALID_REQUEST', 'Cannot take the request: its Host header or target does not make a valid URL')
      : errorBody(requestIdFrom(null), 'INTERNAL', 'Something unforeseen happened before the request reached the service')
  return Response.json(body, { status: body.status, headers: { 'X-Request-Id': body.request_id } })
}

/** The connections on which no byte has come yet: Node counts them as busy until its headers timeout. */
function trackSilent(server: Server): () => Socket[] {
  const young = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    young.add(socket)
    socket.once('close', () => young.delete(socket))
  })
  server.prependListener('request', ({ socket }) => young.delete(socket))
  return () => [...young].filter(({ bytesRead }) => bytesRead === 0)
}

/** Ends a server: idle connections at once, busy ones when they are done, all of them when the signal aborts. */
function closeServer(server: Server, silent: () => Socket[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cut = () => server.closeAllConnections()
    // A kept-alive connection turns idle only when its answer is out: look again until none is left.
    const sweep = setInterval(() => server.closeIdleConnections(), 20)
    server.close(() => {
      clearInterval(sweep)
      signal.removeEventListener('abort', cut)
      resolve()
    })
    server.closeIdleConnections()
    for (const socket of silent()) socket.destroy()
    if (signal.aborted) cut()
    else signal.addEventListener('abort', cut, { once: true })
  })
}

/**
 * Serves an app over HTTP.
 * @param options.port 0 lets the kernel choose
 * @throws StartError where the port or address cannot be had
 */
export async function serve(options: {
  readonly fetch: (request: Request, env: Readonly<Record<string, unknown>>) => Response | Promise<Response>
  readonly port: number
  /** Absent: all addresses, IPv6 and IPv4. */
  readonly host?: string
  readonly name: string
  readonly fastLane?: FastLane
  readonly timeouts?: RequestTimeouts
  /** What it takes at once; absent: everything. */
  readonly admission?: Admission
  /** Where each answer is counted; absent: nowhere. */
  readonly requests?: RequestCounts | undefined
}): Promise<Listening> {
  const timeouts = options.timeouts ?? defaultTimeouts
  const { fastLane, admission, requests } = options
  const road = getRequestListener(options.fetch, { errorHandler: refuseRequest })
  const bounded = admission ? admission.bound(road) : road
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    if (admission?.refuses(incoming, outgoing) || fastLane?.(incoming, outgoing)) return
    bounded(incoming, outgoing)
  }
  const server = createServer(
    {
      headersTimeout: timeouts.headers_ms,
      requestTimeout: timeouts.request_ms,
      connectionsCheckingInterval: Math.min(1000, timeouts.headers_ms),
      keepAliveTimeout: 75_000,
      // TCP's own signs of life: a host that lost its power holds a connection for minutes and not for hours.
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      maxHeaderSize: 16 * 1024,
      // Node's own refusal of a missing Host has no body: the listener refuses it with the envelope.
      requireHostHeader: false,
      ...(requests ? { ServerResponse: countedResponse(requests) } : {}),
    },
    listener,
  )
  const silent = trackSilent(server)
  admission?.watch(server)
  server.on('clientError', connectionRefuser(requests))
  // Node's own answers, a bare 417 and a closed connection, are not in the contract; RFC 9110 section 10.1.1 lets us ignore an unknown Expect.
  server.on('checkExpectation', listener)
  server.on('connect', (_request, socket) =>
    endWith(socket, 'INVALID_REQUEST', 'Cannot take the request: CONNECT asks for a tunnel, and this is no proxy', requests),
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new StartError(listenProblem(error, options), 69)))
    server.listen({ port: options.port, ...(options.host === undefined ? {} : { host: options.host }), backlog: 4096 }, resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new StartError(`Cannot start the ${options.name}: it does not listen on a TCP port`, 69)
  return { port: address.port, host: address.address, server, close: (signal) => closeServer(server, silent, signal) }
}

/** Why a port cannot be listened on, and what to do. */
function listenProblem(error: NodeJS.ErrnoException, options: { readonly port: number; readonly host?: string; readonly name: string }): string {
  const variable = `${options.name.toUpperCase()}_PORT`
  if (error.code === 'EADDRINUSE')
    return `Cannot start the ${options.name}: port ${options.port} on ${options.host ?? 'all addresses'} is in use; stop what listens there, or set ${variable}`
  if (error.code === 'EACCES') return `Cannot start the ${options.name}: no permission to listen on port ${options.port}; set ${variable} to one above 1023`
  return `Cannot start the ${options.name}: cannot listen on ${options.host ?? 'all addresses'}, port ${options.port} (${error.code ?? error.message}); look at ${options.name.toUpperCase()}_HOST and ${variable}`
}
