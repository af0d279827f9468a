import type { z } from 'zod'
import { ErrorEnvelopeSchema, envelope, errorBody } from '../contract/envelope.ts'
import { type ErrorCode, errorTable } from '../contract/errors.ts'

const EXAMPLE_ID = '0f1c7b52-6a0e-4c1d-9a57-3d5f0a4f7f11'

/** The example that a schema carries. A schema without one is a fault of ours, found when the route is made. */
function exampleOf(schema: z.ZodType): unknown {
  const example = schema.meta()?.example
  if (example === undefined) throw new Error('Cannot describe a route: its schema carries no example')
  return example
}

/** A successful answer for the OpenAPI document and the RPC types: the envelope around `data`, with an example. */
export const answer = <T extends z.ZodType>(status: 200 | 201 | 202, description: string, data: T) => ({
  description,
  content: {
    'application/json': {
      schema: envelope(data),
      example: { request_id: EXAMPLE_ID, status, success: true, message: 'success', data: exampleOf(data) },
    },
  },
})

/** An error answer, with an example for each of its codes. */
export const errorAnswer = (...codes: readonly [ErrorCode, ...ErrorCode[]]) => ({
  description: codes.map((code) => errorTable[code].what).join(' Or: '),
  content: {
    'application/json': {
      schema: ErrorEnvelopeSchema,
      examples: Object.fromEntries(codes.map((code) => [code, { summary: code, value: errorBody(EXAMPLE_ID, code, errorTable[code].what) }])),
    },
  },
})

/** A required JSON body, with its example. */
export const jsonRequest = <T extends z.ZodType>(schema: T) => ({
  required: true as const,
  content: { 'application/json': { schema, example: exampleOf(schema) } },
})

/** What a route with a JSON body may answer beside its own. */
export const bodyErrors = {
  400: errorAnswer('INVALID_REQUEST'),
  408: errorAnswer('REQUEST_TIMEOUT'),
  413: errorAnswer('PAYLOAD_TOO_LARGE'),
  415: errorAnswer('UNSUPPORTED_MEDIA_TYPE'),
}

/** What a route that needs a key may answer beside its own. */
export const keyErrors = {
  401: errorAnswer('UNAUTHORIZED'),
  403: errorAnswer('FORBIDDEN', 'FORBIDDEN_ORIGIN'),
}

/** The same where keys have roles. */
export const callerErrors = {
  401: errorAnswer('UNAUTHORIZED'),
  403: errorAnswer('FORBIDDEN', 'NOT_PERMITTED', 'FORBIDDEN_ORIGIN'),
  429: errorAnswer('TOO_MANY_ATTEMPTS'),
}
