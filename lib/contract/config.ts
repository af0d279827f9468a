import { z } from 'zod'
import { DataRequestSchema } from './hit-request.ts'
import { DataScheduleSchema } from './schedule.ts'

/** The poll interval where a publish names none, in seconds. */
export const DEFAULT_POLL_INTERVAL_SECONDS = 30
/** The longest poll interval: a day, in seconds. */
export const MAX_POLL_INTERVAL_SECONDS = 86_400
/** The longest `?wait=`, in seconds: under the idle timeout of common proxies. */
export const MAX_WAIT_SECONDS = 60
/** How large a config may be where MAX_CONFIG_BYTES says nothing. */
export const DEFAULT_MAX_CONFIG_BYTES = 1024 * 1024
/** What an envelope and the fields beside `data` may add to a config on its way to agent and worker, in bytes. */
export const ENVELOPE_BYTES = 64 * 1024

/** A published version, from 1 without gaps. */
export const VersionSchema = z.number().int().min(1).meta({ example: 7 })

/**
 * Why a value cannot be a config's url; undefined where it can. What no worker would ever request is refused
 * here, so that it never reaches the fleet.
 */
export function urlProblem(value: unknown): string | undefined {
  const wanted = 'expected an absolute http: or https: URL without credentials'
  if (typeof value !== 'string') return `${wanted}, got ${value === null ? 'null' : typeof value}`
  if (!URL.canParse(value)) return `${wanted}, got ${JSON.stringify(value.slice(0, 200))}`
  const url = new URL(value)
  // Without control characters and an empty host: Go's clients refuse what the URL standard mends.
  if (!/^https?:\/\/[^/\\?#\s]/i.test(value) || /[\p{Cc}]/u.test(value) || value !== value.trim())
    return `${wanted}, got ${JSON.stringify(value.slice(0, 200))}`
  if (value.includes('${secret:')) return `${wanted} and references to secrets: those stand in the headers or the body of data.request`
  if (url.username || url.password) return `${wanted}: everybody who may read the config would read them`
  return undefined
}

/**
 * Refuses what of a config's data no worker could use: its `url`, its `request` and its `schedule`; other keys may be anything.
 * @param options.emptyUrl whether an empty url counts as none, as the Go worker takes it
 */
export const refuseUnusable =
  (options: { readonly emptyUrl: boolean }) =>
  (data: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void => {
    if (Object.hasOwn(data, 'url') && !(options.emptyUrl && data.url === '')) {
      const problem = urlProblem(data.url)
      if (problem) context.addIssue({ code: 'custom', path: ['url'], message: problem })
    }
    for (const [key, schema] of [['request', DataRequestSchema] as const, ['schedule', DataScheduleSchema] as const]) {
      if (!Object.hasOwn(data, key)) continue
      for (const { path, message } of schema.safeParse(data[key]).error?.issues ?? []) context.addIssue({ code: 'custom', path: [key, ...path], message })
    }
  }

/** `data` of a config: any JSON object; its `url` is what the workers hit, its `request` says how, its `schedule` when they do so by themselves. */
export const ConfigDataSchema = z
  .record(z.string(), z.unknown(), { error: 'expected a JSON object' })
  .superRefine(refuseUnusable({ emptyUrl: false }))
  .meta({ id: 'ConfigData', type: 'object', example: { url: 'https://example.com/ping' } })

const interval = z
  .int({ error: `expected a whole number of seconds, at most ${MAX_POLL_INTERVAL_SECONDS}` })
  .max(MAX_POLL_INTERVAL_SECONDS, { error: `expected at most ${MAX_POLL_INTERVAL_SECONDS} seconds (a day)` })
  .nullish()
  .transform((seconds) => (seconds && seconds > 0 ? seconds : DEFAULT_POLL_INTERVAL_SECONDS))
  .meta({
    type: 'integer',
    description: `Seconds between polls of agents that poll; ${DEFAULT_POLL_INTERVAL_SECONDS} where absent or not above 0.`,
    example: 30,
  })

/** `POST /config` of the controller. */
export const PublishRequestSchema = z
  .object({
    data: ConfigDataSchema,
    poll_interval_seconds: interval,
    comment: z.string().max(1000).optional().meta({ description: 'Why this change.', example: 'new target' }),
    author: z.string().max(200).optional().meta({ example: 'ops' }),
  })
  .meta({ id: 'PublishRequest', example: { data: { url: 'https://example.com/ping' }, poll_interval_seconds: 30, comment: 'new target' } })
export type PublishRequest = z.output<typeof PublishRequestSchema>

/** A published config as every route gives it. */
export const ConfigSchema = z
  .object({
    id: z.string().meta({ description: 'A UUID: two configs with one version number, from a restored controller, differ in it.' }),
    version: VersionSchema,
    data: z.record(z.string(), z.unknown()),
    poll_interval_seconds: z.number().int(),
    created_at: z.iso.datetime().optional().meta({ description: 'Absent from a Go controller.' }),
    request_id: z.string().optional().meta({ description: 'Of the request that published it: agents and workers log it.' }),
    traceparent: z.string().optional().meta({ description: 'W3C Trace Context of that request, where it had one.' }),
  })
  .meta({
    id: 'Config',
    example: {
      id: '5b1d7a5e-93c8-4c53-8f0a-0a5b0f2f6c11',
      version: 7,
      data: { url: 'https://example.com/ping' },
      poll_interval_seconds: 30,
      created_at: '2026-11-24T09:00:00.000Z',
    },
  })
export type Config = z.infer<typeof ConfigSchema>

/** A config as an agent reads it from any controller, a Go one included: what is not needed may be missing. */
export const ReceivedConfigSchema = z.object({
  id: z.string().optional(),
  version: z.number().int().min(0),
  data: z.record(z.string(), z.unknown()),
  poll_interval_seconds: z.number().int().optional(),
  created_at: z.string().optional(),
  request_id: z.string().optional(),
  traceparent: z.string().optional(),
})
export type ReceivedConfig = z.infer<typeof ReceivedConfigSchema>

/** `X-Config-Id`: how a reader says by id which config it holds, beside its version. */
export const ConfigIdHeaderSchema = z.string().optional().meta({
  description: 'The id of the config held; where given, a match needs both.',
  example: '5b1d7a5e-93c8-4c53-8f0a-0a5b0f2f6c11',
})

/** `?wait=`: whole seconds from 0 to {@link MAX_WAIT_SECONDS}. */
export const WaitQuerySchema = z.object({
  wait: z
    .string()
    .regex(/^\d{1,2}$/, { error: `expected whole seconds from 0 to ${MAX_WAIT_SECONDS}` })
    .transform(Number)
    .refine((seconds) => seconds <= MAX_WAIT_SECONDS, { error: `expected whole seconds from 0 to ${MAX_WAIT_SECONDS}` })
    .optional()
    .meta({ type: 'integer', minimum: 0, maximum: MAX_WAIT_SECONDS, description: 'Seconds to hold the request while there is nothing new.', example: 25 }),
})
