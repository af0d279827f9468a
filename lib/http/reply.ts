import type { ServerResponse } from 'node:http'
import type { Context } from 'hono'
import { errorBody } from '../contract/envelope.ts'
import type { ApiError } from './errors.ts'
import { requestId } from './request-id.ts'

/** The envelope of a success as a route answers it. */
interface Success<T, S extends number> {
  readonly request_id: string
  readonly status: S
  readonly success: true
  readonly message: 'success'
  readonly data: T
}

/**
 * Answers with the envelope.
 * @param status a literal, so that the RPC client knows which body belongs to which status
 * @param headers beside the ones every answer has
 */
export function ok<T, S extends 200 | 201 | 202>(c: Context, data: T, status: S, headers: Readonly<Record<string, string>> = {}) {
  const id = requestId(c)
  const body: Success<T, S> = { request_id: id, status, success: true, message: 'success', data }
  return c.json(body, status, { 'X-Request-Id': id, 'Cache-Control': 'no-store', ...headers })
}

/** Writes a success as {@link ok} does by Node's own response, where no Context is held. */
export function writeOk(outgoing: ServerResponse, id: string, data: unknown, status: 200 | 201 | 202): void {
  const success: Success<unknown, typeof status> = { request_id: id, status, success: true, message: 'success', data }
  const body = JSON.stringify(success)
  outgoing.writeHead(status, {
    'Content-Type': 'application/json',
    'X-Request-Id': id,
    'Cache-Control': 'no-store',
    'Content-Length': Buffer.byteLength(body),
  })
  outgoing.end(body)
}

/** The headers of an error's answer. */
const errorHeaders = (id: string, error: ApiError) => ({ 'X-Request-Id': id, 'Cache-Control': 'no-store', ...error.headers })

/** Writes an error as the envelope by Node's own response, where no Context is held. */
export function writeError(outgoing: ServerResponse, id: string, error: ApiError): void {
  outgoing.writeHead(error.status, { 'Content-Type': 'application/json', ...errorHeaders(id, error) })
  outgoing.end(JSON.stringify(errorBody(id, error.code, error.message, error.details)))
}

/** Writes an error as the envelope with its headers. */
export function errorResponse(c: Context, error: ApiError): Response {
  const id = requestId(c)
  return c.json(errorBody(id, error.code, error.message, error.details), error.status, errorHeaders(id, error))
}
