import { z } from 'zod'
import { DEFAULT_MAX_CONFIG_BYTES } from '../contract/config.ts'
import type { TracingOptions } from '../observe/trace/tracer.ts'

/** The environment, or whatever stands for it in a test. */
export type Environment = Readonly<Record<string, string | undefined>>

/** EX_CONFIG of sysexits.h: what a service exits with where its environment is wrong. */
export const EXIT_CONFIG = 78

/** A start that cannot go on for a reason the operator can mend; its message is the one line to print. */
export class StartError extends Error {
  /** The exit code of the process. */
  readonly exitCode: number
  constructor(message: string, exitCode: number = EXIT_CONFIG) {
    super(message)
    this.exitCode = exitCode
  }
}

/** A TCP port; 0 lets the kernel choose. */
export const port = (fallback: number) => whole(0, 65_535, fallback)

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, { error: `must be a whole number from ${min} to ${max}` })
    .transform(Number)
    .refine((n) => n >= min && n <= max, { error: `must be a whole number from ${min} to ${max}` })

/** A whole number within bounds. */
export const whole = (min: number, max: number, fallback: number) => wholeNumber(min, max).default(fallback)

/** A whole number within bounds, where it is given. */
export const wholeOptional = (min: number, max: number) => wholeNumber(min, max).optional()

/** An http(s) URL without a path beyond `/`; gives it without the slash at the end. */
const urlOfService = () =>
  z
    .string()
    .refine((value) => URL.canParse(value) && /^https?:\/\/[^/?#@]+\/?$/i.test(value), {
      error: 'must be a URL like http://host:6001, without credentials and path',
    })
    .transform((value) => value.replace(/\/+$/, ''))

/** The URL of a service that is always there. */
export const serviceUrl = (fallback: string) => urlOfService().default(fallback)

/** The URL of a service that may not be there. */
export const serviceUrlOptional = () => urlOfService().optional()

/** A list parted by commas; empty entries are dropped. */
export const list = () =>
  z
    .string()
    .default('')
    .transform((value) =>
      value
        .split(',')
        .map((entry) => entry.trim())
        .filter(Boolean),
    )

/** A value that must hold something a header can carry, as keys do. */
export const headerText = () => z.string().regex(/^[\x21-\x7e]+$/, { error: 'must be printable ASCII without spaces' })

/** The base URL of an OTLP/HTTP collector, which may have a path; gives it without the slash at the end. */
const collectorUrl = () =>
  z
    .string()
    .refine((value) => URL.canParse(value) && /^https?:\/\/[^?#\s]+$/i.test(value), { error: 'must be a URL like http://host:4318' })
    .transform((value) => value.replace(/\/+$/, ''))

/** What every service reads. */
export const commonEnv = {
  DATA_DIR: z.string().min(1).default('./data').describe('Folder of what must last: database, caches, embedded queue'),
  SHUTDOWN_TIMEOUT_SECONDS: whole(1, 3600, 10).describe('How long SIGTERM and SIGINT drain at most'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { error: 'must be one of trace, debug, info, warn, error, fatal, silent' })
    .default('info')
    .describe('trace, debug, info, warn, error, fatal or silent'),
  LOG_FORMAT: z
    .enum(['pretty', 'json'], { error: 'must be pretty or json' })
    .optional()
    .describe('pretty or json; where unset, pretty on a terminal and json elsewhere'),
  ALLOWED_HOSTS: list()
    .refine((names) => names.every((name) => /^[\w.:-]+$/.test(name)), { error: 'must be host names parted by commas, without http:// and port' })
    .describe('Names, parted by commas, that a service without a key of its own answers to beside loopback'),
  OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl()
    .optional()
    .describe('Where traces are exported to, by OTLP/HTTP as JSON: http://host:4318; where unset, none are made'),
  OTEL_SERVICE_NAME: z.string().max(200).optional().describe('Name of the service in its traces; where unset, dcm-controller, dcm-agent or dcm-worker'),
  OTEL_EXPORTER_OTLP_HEADERS: z
    .string()
    .optional()
    .describe(
      'Headers of the export, as name=value parted by commas; other OTEL_EXPORTER_OTLP_ variables and OTEL_RESOURCE_ATTRIBUTES are read as OpenTelemetry says',
    ),
  MAX_CONFIG_BYTES: whole(1024, 64 * 1024 * 1024, DEFAULT_MAX_CONFIG_BYTES).describe('How large a config may be; the same on controller, agents and workers'),
}

/**
 * Where a service exports its traces to, and in whose name.
 * @param standard its name where the environment gives it none
 */
export const tracingOf = (
  env: { readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined; readonly OTEL_SERVICE_NAME?: string | undefined },
  standard: string,
): TracingOptions => ({ endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT, serviceName: env.OTEL_SERVICE_NAME ?? standard })

/** What a service that whole fleets call reads: what it takes at once. */
export const admissionEnv = {
  MAX_REQUESTS_IN_PROGRESS: whole(0, 1_000_000, 1000).describe('Requests worked on at one moment, beyond which 503 is answered; 0: no limit'),
  MAX_NEW_CONNECTIONS_PER_SECOND: whole(0, 1_000_000, 2000).describe('New connections a second, beyond which 503 is answered; 0: no limit'),
}

/** Secrets are named in an error, never shown. */
const secret = /KEY|PASSWORD|REDIS_URL|HEADERS/

/**
 * Reads a service's variables. A variable that is set to nothing counts as not set, as in the Go system and
 * in compose files.
 * @throws StartError that names each wrong variable, its value and what it must be
 */
export function parseEnv<T extends z.ZodObject>(schema: T, environment: Environment): z.output<T> {
  const present = Object.fromEntries(Object.entries(environment).filter(([name, value]) => value !== '' && name in schema.shape))
  const parsed = schema.safeParse(present)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => {
    const name = String(issue.path[0])
    // A URL with credentials is refused for them: they are not repeated here.
    const shown = JSON.stringify(present[name]?.replace(/\/\/[^/@]*@/, '//…@'))
    return `${name} ${issue.message}, ${secret.test(name) ? 'and its value is not shown here' : `not ${shown}`}`
  })
  throw new StartError(`Cannot start: ${problems.join('; ')}`)
}
