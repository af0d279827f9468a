import { ConfigSchema } from '#lib/contract/config.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { isObject, type JsonObject, readObject } from '../input.ts'
import { type PublishOptions, publishAndTell, publishHeaders, publishNotes, tellDryRun } from '../publishing.ts'
import { put } from '../set.ts'

interface Options extends PublishOptions {
  readonly set?: readonly string[]
  readonly interval?: number
}

/** How often --set begins anew where somebody published in between. */
const TRIES = 10

/** The latest config; undefined where there is none. */
async function latestOf({ controller, settings }: Context) {
  try {
    return await ask(settings.controllerUrl, () => controller.config.$get({ query: {}, header: {} }), ConfigSchema)
  } catch (error) {
    if (error instanceof CliError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

/** The data in a file. A whole request, as the API takes it, would be published one level too deep, to a whole fleet. */
async function dataIn(file: string): Promise<JsonObject> {
  const data = await readObject(file, 'the data of a config')
  const fields = ['data', 'poll_interval_seconds', 'comment', 'author']
  if (isObject(data.data) && Object.keys(data).every((key) => fields.includes(key)))
    throw new CliError(
      exits.data,
      `cannot publish ${file === '-' ? 'standard input' : file}: it holds {"data": …}, as a request to the API does; give what is in "data" alone (the others are options: --interval, --comment, --author)`,
    )
  return data
}

/** `dcm publish`. */
export async function publish(context: Context, file: string | undefined, options: Options): Promise<number> {
  const pairs = options.set ?? []
  if ((file === undefined) === (pairs.length === 0))
    throw new CliError(exits.usage, 'publish takes a FILE (- for standard input), or --set key=value, and not both')
  if (options.dryRun && options.wait) throw new CliError(exits.usage, '--dry-run publishes nothing that --wait could wait for: give one of them')
  if (file !== undefined) return send(context, await dataIn(file), options)
  // Wrong ones are told before anything is asked.
  pairs.reduce(put, {})
  for (let tries = 1; ; tries++) {
    const base = await latestOf(context)
    const data = pairs.reduce(put, base?.data ?? {})
    const interval = options.interval ?? base?.poll_interval_seconds
    try {
      return await send(context, data, { ifVersion: base?.version ?? 0, ...options, ...(interval === undefined ? {} : { interval }) })
    } catch (error) {
      // Somebody published in between: the values are put into what is there now.
      const again = error instanceof CliError && error.code === 'VERSION_CONFLICT' && options.ifVersion === undefined && tries < TRIES
      if (!again) throw error
    }
  }
}

function send(context: Context, data: JsonObject, options: Options): Promise<number> {
  const { controller } = context
  const json = { data, ...(options.interval === undefined ? {} : { poll_interval_seconds: options.interval }), ...publishNotes(options) }
  const header = publishHeaders(options)
  if (options.dryRun) return tellDryRun(context, () => controller.config.$post({ query: { dry_run: 'true' }, header, json }))
  return publishAndTell(
    context,
    () => controller.config.$post({ query: {}, header, json }),
    options,
    (version) => `published version ${version}`,
  )
}
