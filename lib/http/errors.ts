import { HTTPException } from 'hono/http-exception'
import type { z } from 'zod'
import type { ErrorDetail } from '../contract/envelope.ts'
import { type ErrorCode, errorTable } from '../contract/errors.ts'
import type { Logger } from '../observe/logger.ts'

/** Headers that belong to an error: Allow, Retry-After, ETag. */
export type ErrorHeaders = Readonly<Record<string, string>>

/** An error with a code of the closed list; thrown anywhere below a route, written as the envelope by `onError`. */
export class ApiError extends HTTPException {
  readonly code: ErrorCode
  readonly details: readonly ErrorDetail[]
  readonly headers: ErrorHeaders

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly details?: readonly ErrorDetail[]; readonly headers?: ErrorHeaders; readonly cause?: unknown } = {},
  ) {
    super(errorTable[code].status, { message, cause: options.cause })
    this.code = code
    this.details = options.details ?? []
    this.headers = options.headers ?? {}
  }
}

/** Which request failed, as the log names it. */
export interface FailedRequest {
  readonly request_id: string
  readonly method: string
  readonly path: string
}

/** The error that is answered where something was thrown. Of what nobody foresaw nothing goes out: the log has it under the same id. */
export function answerTo(error: unknown, request: () => FailedRequest, logger: Pick<Logger, 'error'>): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof HTTPException && error.status < 500)
    return new ApiError('INVALID_REQUEST', `Cannot take the request: ${error.message || 'it is malformed'}`)
  logger.error('http', 'a request failed unexpectedly', { ...request(), err: error })
  return new ApiError('INTERNAL', 'Something unforeseen happened; the log of this service has it under this request_id')
}

/** `data.items[2]`; what is not in the body begins with its place: `query.wait`. */
function pathOf(issue: z.core.$ZodIssue, target: string): string {
  const path = issue.path.reduce<string>((all, part) => (typeof part === 'number' ? `${all}[${part}]` : all ? `${all}.${String(part)}` : String(part)), '')
  if (target === 'json') return path || 'body'
  return path ? `${target}.${path}` : target
}

/**
 * A 400 that names every violation.
 * @param target the part of the request that zod looked at: json, query, param, header
 */
export function invalidRequest(error: z.core.$ZodError, target: string): ApiError {
  const details = error.issues.slice(0, 50).map((issue) => ({ path: pathOf(issue, target), message: issue.message }))
  const [first] = details
  const more = details.length > 1 ? ` (and ${details.length - 1} more)` : ''
  return new ApiError('INVALID_REQUEST', first ? `Cannot take the request: ${first.path}: ${first.message}${more}` : 'Cannot take the request', { details })
}

/** A 400 for one part of the request. */
export const invalidPart = (path: string, message: string): ApiError =>
  new ApiError('INVALID_REQUEST', `Cannot take the request: ${path}: ${message}`, { details: [{ path, message }] })
