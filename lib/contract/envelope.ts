import { z } from 'zod'
import { type ErrorCode, ErrorCodeSchema, errorTable } from './errors.ts'

const requestId = z
  .string()
  .meta({ description: 'The inbound X-Request-Id, or a UUID made for this request.', example: '0f1c7b52-6a0e-4c1d-9a57-3d5f0a4f7f11' })

/**
 * The envelope around every successful answer: `{request_id, status, success: true, message, data}`.
 * @param data the schema of what is inside
 */
export const envelope = <T extends z.ZodType>(data: T) =>
  z.object({
    request_id: requestId,
    status: z.number().int().meta({ description: 'The HTTP status again.', example: 200 }),
    success: z.literal(true),
    message: z.string().meta({ example: 'success' }),
    data,
  })

/** One violation: where in the request, and what was wanted there. */
export const ErrorDetailSchema = z.object({
  path: z.string().meta({ description: 'Where in the request, as `data.url`.', example: 'data.url' }),
  message: z.string().meta({ example: 'expected an absolute http: or https: URL, got "ftp://x"' }),
})
export type ErrorDetail = z.infer<typeof ErrorDetailSchema>

/** The envelope around every error. */
export const ErrorEnvelopeSchema = z
  .object({
    request_id: requestId,
    status: z.number().int(),
    success: z.literal(false),
    message: z.string(),
    error: z.object({
      code: ErrorCodeSchema,
      message: z.string(),
      details: z.array(ErrorDetailSchema).optional(),
      docs: z.string().optional().meta({ description: 'Where this code is explained, relative to the service.', example: '/docs/errors#INVALID_REQUEST' }),
    }),
  })
  .meta({ id: 'Error' })
export type ErrorEnvelope = z.infer<typeof ErrorEnvelopeSchema>

/**
 * The body of an error answer.
 * @param requestId of the request that failed
 * @param details violations, where there are several things to name
 */
export function errorBody(requestId: string, code: ErrorCode, message: string, details?: readonly ErrorDetail[]): ErrorEnvelope {
  return {
    request_id: requestId,
    status: errorTable[code].status,
    success: false,
    message,
    error: { code, message, ...(details?.length ? { details: [...details] } : {}), docs: `/docs/errors#${code}` },
  }
}
