import { createInterface } from 'node:readline/promises'
import { ConfigSchema } from '#lib/contract/config.ts'
import { type HistoryEntry, HistoryPageSchema, VersionDiffSchema } from '#lib/contract/history.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { finish, tellDryRun, wholeOption } from './publish.ts'

/** `dcm get [VERSION]`. */
export async function get({ controller, settings, output }: Context, version: string | undefined): Promise<number> {
  const call = () => (version === undefined ? controller.config.$get({ query: {}, header: {} }) : controller.config[':version'].$get({ param: { version } }))
  const config = await ask(settings.controllerUrl, call, ConfigSchema)
  output.result(config, () => JSON.stringify(config, null, 2))
  return exits.ok
}

/** `dcm history`. */
export async function history({ controller, settings, output }: Context, options: { readonly limit: string; readonly before?: string }): Promise<number> {
  const query = { limit: options.limit, ...(options.before === undefined ? {} : { before: options.before }) }
  const page = await ask(settings.controllerUrl, () => controller.configs.$get({ query }), HistoryPageSchema)
  const row = (config: HistoryEntry) => [
    config.version,
    config.created_at,
    config.author ?? config.published_by,
    config.bytes,
    [config.rollback_of === null ? '' : `rollback of ${config.rollback_of}`, config.comment ?? ''].filter(Boolean).join(': '),
  ]
  output.result(page, () => output.table(['VERSION', 'AT', 'BY', 'BYTES', 'COMMENT'], page.configs.map(row)))
  return exits.ok
}

/** `dcm diff A B`. */
export async function diff({ controller, settings, output }: Context, from: string, to: string): Promise<number> {
  const found = await ask(settings.controllerUrl, () => controller.configs.diff.$get({ query: { from, to } }), VersionDiffSchema)
  output.result(found, () => output.difference(found.text))
  return exits.ok
}

/** The options of rollback. */
export interface RollbackOptions {
  readonly comment?: string
  readonly dryRun?: boolean
  readonly wait?: boolean
  readonly timeout: string
  readonly yes?: boolean
}

/** `dcm rollback VERSION`. On a terminal it shows the difference and asks; elsewhere it goes on. */
export async function rollback(context: Context, text: string, options: RollbackOptions): Promise<number> {
  const { controller, settings, output } = context
  const version = wholeOption('VERSION', text, 999_999_999)
  const timeout = wholeOption('--timeout', options.timeout, 86_400)
  const json = { version, ...(options.comment === undefined ? {} : { comment: options.comment }) }
  const dry = () => controller.config.rollback.$post({ query: { dry_run: 'true' }, header: {}, json })
  if (options.dryRun) return tellDryRun(context, dry)
  if (output.isInteractive && process.stdin.isTTY && !options.yes && !(await agrees(context, version, dry))) {
    output.note('nothing was published')
    return exits.ok
  }
  const config = await ask(settings.controllerUrl, () => controller.config.rollback.$post({ query: {}, header: {}, json }), ConfigSchema)
  if (options.wait) return finish(context, config.version, timeout)
  output.result(config, () => `published version ${config.version}, with the content of version ${version}`)
  return exits.ok
}

async function agrees(context: Context, version: number, dry: Parameters<typeof tellDryRun>[1]): Promise<boolean> {
  if ((await tellDryRun(context, dry)) !== exits.ok)
    throw new CliError(exits.data, `cannot roll back to version ${version}: it does not meet the config schema`)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await lines.question(`Go back to the content of version ${version}? [y/N] `, { signal: context.signal })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
