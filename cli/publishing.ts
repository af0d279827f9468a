import { ConfigSchema } from '#lib/contract/config.ts'
import { type DryRun, DryRunSchema } from '#lib/contract/history.ts'
import { type Answer, ask, neverArrived } from './call.ts'
import type { Context } from './context.ts'
import { CliError, exits } from './exit.ts'
import { tellConverged } from './fleet/told.ts'
import { waitForFleet } from './fleet/wait.ts'
import { safe } from './output/safe.ts'

/** What publish and rollback take alike. */
export interface PublishOptions {
  readonly ifVersion?: number
  readonly comment?: string
  readonly author?: string
  readonly idempotencyKey?: string
  readonly dryRun?: boolean
  readonly wait?: boolean
  readonly timeout: number
}

/** The headers of a request that publishes. */
export const publishHeaders = ({ ifVersion, idempotencyKey }: Pick<PublishOptions, 'ifVersion' | 'idempotencyKey'>) => ({
  ...(ifVersion === undefined ? {} : { 'if-match': `"${ifVersion}"` }),
  ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
})

/** The fields of a request that say why, and for whom. */
export const publishNotes = ({ comment, author }: PublishOptions) => ({
  ...(comment === undefined ? {} : { comment }),
  ...(author === undefined ? {} : { author }),
})

/** Asks for a dry run. */
export const tryPublish = ({ settings }: Context, call: () => Promise<Answer>): Promise<DryRun> => ask(settings.controllerUrl, call, DryRunSchema)

/** A dry run for people. */
export function dryRunText({ output }: Context, { would_publish, diff, violations }: DryRun): string {
  const wrong = violations.map(({ path, message }) => `${output.colours.red('violation')} ${safe(path)}: ${safe(message)}`)
  return [`would publish version ${would_publish.version}`, output.difference(diff.text), ...wrong].join('\n')
}

/** Shows a dry run; 65 where what it found would refuse a publish. */
export async function tellDryRun(context: Context, call: () => Promise<Answer>): Promise<number> {
  const tried = await tryPublish(context, call)
  context.output.result(tried, () => dryRunText(context, tried))
  return tried.violations.length > 0 ? exits.data : exits.ok
}

/**
 * Publishes, and waits for the fleet where that is asked for.
 * @param what came of it, for people
 */
export async function publishAndTell(
  context: Context,
  call: () => Promise<Answer>,
  options: PublishOptions,
  what: (version: number) => string,
): Promise<number> {
  const { output, settings } = context
  const config = await ask(settings.controllerUrl, call, ConfigSchema).catch((error: unknown) => {
    // The answer may be what was lost.
    if (error instanceof CliError && error.exitCode === exits.unavailable && error.code === undefined && !neverArrived(error.message))
      throw new CliError(
        error.exitCode,
        `${error.message}. It may have been published all the same: dcm history says so, and with --idempotency-key a repeat is safe`,
      )
    throw error
  })
  if (!options.wait) {
    output.result(config, () => what(config.version))
    return exits.ok
  }
  if (!output.json) output.result(config, () => what(config.version))
  const converged = await waitForFleet(context, config.version, options.timeout)
  if (output.json) output.result({ config, ...converged }, () => '')
  return tellConverged(context, converged)
}
