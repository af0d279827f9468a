import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { confirm, isAskable } from '../output/confirm.ts'
import { dryRunText, type PublishOptions, publishAndTell, publishHeaders, publishNotes, tellDryRun, tryPublish } from '../publishing.ts'

interface Options extends PublishOptions {
  readonly yes?: boolean
}

/**
 * `dcm rollback VERSION`. On a terminal it shows the difference and asks; what is agreed to is what was shown: where
 * somebody publishes in between, it is refused. Elsewhere it goes back at once.
 */
export async function rollback(context: Context, version: number, options: Options): Promise<number> {
  const { controller, output } = context
  if (options.dryRun && options.wait) throw new CliError(exits.usage, '--dry-run publishes nothing that --wait could wait for: give one of them')
  const json = { version, ...publishNotes(options) }
  const dry = () => controller.config.rollback.$post({ query: { dry_run: 'true' }, header: publishHeaders({ ...options, idempotencyKey: undefined }), json })
  if (options.dryRun) return tellDryRun(context, dry)
  let agreed = options
  if (!options.yes && isAskable(context)) {
    const tried = await tryPublish(context, dry)
    output.note(dryRunText(context, tried))
    if (tried.violations.length > 0) throw new CliError(exits.data, `cannot roll back to version ${version}: it does not meet the config schema`)
    if (!(await confirm(context, `Go back to the content of version ${version}?`))) {
      output.note('nothing was published')
      return exits.ok
    }
    agreed = { ...options, ifVersion: tried.would_publish.version - 1 }
  }
  return publishAndTell(
    context,
    () => controller.config.rollback.$post({ query: {}, header: publishHeaders(agreed), json }),
    options,
    (published) => `published version ${published}, with the content of version ${version}`,
  )
}
