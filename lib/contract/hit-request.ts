import { z } from 'zod'
import { OBJECT_WANTED, objectOf } from './object-text.ts'

/** How large `data.request` may be, in bytes of JSON. */
export const MAX_HIT_REQUEST_BYTES = 64 * 1024
/** The longest total timeout of a hit, in seconds. */
export const MAX_HIT_TIMEOUT_SECONDS = 300
/** How many redirects a hit follows, by default and at most. */
export const MAX_HIT_REDIRECTS = 10

/** The methods a hit may use: CONNECT and TRACE are no requests to a resource. */
const hitMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** Headers that the worker's HTTP client sets itself; saying them would break the framing (RFC 9112) or the promises about a hit. */
const reservedHeaders = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'idempotency-key',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/, { error: 'expected a header name: letters, digits and hyphens' })
  .refine((name) => !reservedHeaders.has(name.toLowerCase()), { error: 'this header is set by the worker itself and cannot be given' })

/** What begins as a reference to a secret does, and is none: sent literally, it would reach the target in a credential's place. */
const brokenReference = /\$\{(?!secret:[A-Z0-9_]{1,64}\})\s*[Ss][Ee][Cc][Rr][Ee][Tt]\s*:/

/** Refuses references to secrets that have another form than `${secret:NAME}`; what a NAME stands for only the worker knows. */
const withReferences = (text: z.ZodString) =>
  text.refine((value) => !brokenReference.test(value), {
    error: `expected references to secrets as \${secret:NAME}: capital letters, digits and underscores, at most 64`,
  })

const headerValue = withReferences(
  z.string({ error: 'expected a string' }).regex(/^[\t\x20-\x7e\x80-\xff]*$/, { error: 'expected a header value: no line breaks or control characters' }),
)

const redirectsWanted = `expected a whole number from 0 to ${MAX_HIT_REDIRECTS}, or a boolean`

/** What `data.request` says about the request that a hit makes. All is optional. */
export const HitRequestSchema = z
  .strictObject({
    method: z
      .string({ error: `expected one of ${hitMethods.join(', ')}` })
      .toUpperCase()
      .pipe(z.enum(hitMethods, { error: `expected one of ${hitMethods.join(', ')}` }))
      .default('GET'),
    headers: z
      .record(z.string(), headerValue, { error: 'expected an object of header names and values' })
      .superRefine((headers, context) => {
        for (const name of Object.keys(headers)) {
          for (const { message } of headerName.safeParse(name).error?.issues ?? []) context.addIssue({ code: 'custom', path: [name], message })
        }
      })
      .default({}),
    body: withReferences(z.string({ error: 'expected a string; write JSON as a string' })).optional(),
    timeout_seconds: z
      .number({ error: 'expected a number of seconds' })
      .positive({ error: 'expected more than 0 seconds' })
      .max(MAX_HIT_TIMEOUT_SECONDS, { error: `expected at most ${MAX_HIT_TIMEOUT_SECONDS} seconds` })
      .optional()
      .meta({ description: 'For everything: resolving, connecting, redirects and the whole answer. 30 where absent.' }),
    follow_redirects: z
      .union(
        [
          z.boolean().transform((follow) => (follow ? MAX_HIT_REDIRECTS : 0)),
          z.int().min(0, { error: redirectsWanted }).max(MAX_HIT_REDIRECTS, { error: redirectsWanted }),
        ],
        {
          error: redirectsWanted,
        },
      )
      .default(MAX_HIT_REDIRECTS)
      .meta({ description: 'How many redirects are followed; with 0 the redirect itself is the answer.' }),
    expect_status: z
      .array(z.int({ error: 'expected an HTTP status from 200 to 599' }).min(200).max(599), { error: 'expected a list of HTTP statuses' })
      .min(1, { error: 'expected at least one status; leave it out to accept any answer' })
      .max(100)
      .optional()
      .meta({ description: 'The statuses that complete a hit; without it any answer does.' }),
  })
  .meta({ id: 'HitRequest', example: { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}', expect_status: [200, 204] } })
export type HitRequest = z.output<typeof HitRequestSchema>

const tooLarge = `expected at most ${MAX_HIT_REQUEST_BYTES} bytes of JSON`
const bytes = (text: string): number => new TextEncoder().encode(text).length

/** `data.request` of a config: an object, or a string that holds one; at most {@link MAX_HIT_REQUEST_BYTES}. */
export const DataRequestSchema = z
  .union([z.record(z.string(), z.unknown()), z.string()], { error: OBJECT_WANTED })
  .refine((value) => bytes(typeof value === 'string' ? value : JSON.stringify(value)) <= MAX_HIT_REQUEST_BYTES, { error: tooLarge, abort: true })
  .transform((value, context) => {
    const object = objectOf(value)
    if (object !== undefined) return object
    context.addIssue({ code: 'custom', message: OBJECT_WANTED })
    return z.NEVER
  })
  .pipe(HitRequestSchema)
