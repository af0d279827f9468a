import { readFileSync } from 'node:fs'
import { ConfigSchema } from '#lib/contract/config.ts'
import { DryRunSchema } from '#lib/contract/history.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { tellConverged, waitForFleet } from '../wait.ts'

/** The options of publish. */
export interface PublishOptions {
  readonly set?: readonly string[]
  readonly ifVersion?: string
  readonly comment?: string
  readonly interval?: string
  readonly idempotencyKey?: string
  readonly dryRun?: boolean
  readonly wait?: boolean
  readonly timeout: string
}

/** How often --set begins anew where somebody published in between. */
const TRIES = 5

type Data = Record<string, unknown>

const isData = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A whole number of an option. */
export function wholeOption(name: string, text: string, max: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) > max) throw new CliError(exits.usage, `${name} must be a whole number up to ${max}, not ${JSON.stringify(text)}`)
  return Number(text)
}

function readData(file: string): Data {
  let text: string
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw new CliError(exits.noInput, `cannot read ${file === '-' ? 'standard input' : file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw new CliError(exits.data, `${file === '-' ? 'standard input' : file} is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isData(content)) throw new CliError(exits.data, `${file === '-' ? 'standard input' : file} must hold a JSON object: the data of the config`)
  return content
}

/** The value of `key=value`: JSON where it is some, else text. */
function parsedValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Puts `key=value` into data; dots in the key lead into objects. */
function put(data: Data, pair: string): Data {
  const at = pair.indexOf('=')
  const path = pair.slice(0, Math.max(at, 0)).split('.')
  if (at < 1 || path.some((step) => step === '' || step === '__proto__'))
    throw new CliError(exits.usage, `--set takes key=value, as limits.max=5, not ${JSON.stringify(pair)}`)
  const into = (level: unknown, [step = '', ...rest]: readonly string[]): Data => {
    const held = isData(level) ? level : {}
    return { ...held, [step]: rest.length === 0 ? parsedValue(pair.slice(at + 1)) : into(Object.hasOwn(held, step) ? held[step] : undefined, rest) }
  }
  return into(data, path)
}

/** The latest config; undefined where there is none. */
async function latestOf({ controller, settings }: Context) {
  try {
    return await ask(settings.controllerUrl, () => controller.config.$get({ query: {}, header: {} }), ConfigSchema)
  } catch (error) {
    if (error instanceof CliError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

/** `dcm publish`. */
export async function publish(context: Context, file: string | undefined, options: PublishOptions): Promise<number> {
  const pairs = options.set ?? []
  if ((file === undefined) === (pairs.length === 0))
    throw new CliError(exits.usage, 'publish takes a FILE (- for standard input), or --set key=value, and not both')
  const timeout = wholeOption('--timeout', options.timeout, 86_400)
  const given = file === undefined ? undefined : readData(file)
  for (let tries = 1; ; tries++) {
    const base = pairs.length > 0 ? await latestOf(context) : undefined
    const data = given ?? pairs.reduce(put, { ...base?.data })
    const ifVersion = options.ifVersion ?? (pairs.length > 0 ? String(base?.version ?? 0) : undefined)
    try {
      return await send(context, data, { ...options, ...(ifVersion === undefined ? {} : { ifVersion }) }, timeout, base?.poll_interval_seconds)
    } catch (error) {
      // What --set changes was changed by somebody else: it is put into what is there now.
      const again = error instanceof CliError && error.code === 'VERSION_CONFLICT' && pairs.length > 0 && options.ifVersion === undefined && tries < TRIES
      if (!again) throw error
    }
  }
}

async function send(context: Context, data: Data, options: PublishOptions, timeout: number, baseInterval: number | undefined): Promise<number> {
  const { controller, settings, output } = context
  const interval = options.interval === undefined ? baseInterval : wholeOption('--interval', options.interval, 86_400)
  const request = {
    query: options.dryRun ? { dry_run: 'true' as const } : {},
    header: {
      ...(options.ifVersion === undefined ? {} : { 'if-match': `"${options.ifVersion}"` }),
      ...(options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }),
    },
    json: {
      data,
      ...(interval === undefined ? {} : { poll_interval_seconds: interval }),
      ...(options.comment === undefined ? {} : { comment: options.comment }),
    },
  }
  if (options.dryRun) return tellDryRun(context, () => controller.config.$post(request))
  const config = await ask(settings.controllerUrl, () => controller.config.$post(request), ConfigSchema)
  if (!options.wait) {
    output.result(config, () => `published version ${config.version}`)
    return exits.ok
  }
  return finish(context, config.version, timeout)
}

/** Shows what a dry run answers. */
export async function tellDryRun({ settings, output }: Context, call: Parameters<typeof ask>[1]): Promise<number> {
  const tried = await ask(settings.controllerUrl, call, DryRunSchema)
  output.result(tried, () => {
    const violations = tried.violations.map(({ path, message }) => `${output.colours.red('violation')} ${path}: ${message}`)
    return [`would publish version ${tried.would_publish.version}`, output.difference(tried.diff.text), ...violations].join('\n')
  })
  return tried.violations.length > 0 ? exits.data : exits.ok
}

/** Waits for the fleet after a publish, and says how it ended. */
export async function finish(context: Context, version: number, timeoutSeconds: number): Promise<number> {
  context.output.note(`published version ${version}`)
  const converged = await waitForFleet(context, version, timeoutSeconds)
  if (context.output.json) context.output.result(converged, () => '')
  return tellConverged(context, converged)
}
