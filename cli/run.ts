import { type Command, CommanderError } from 'commander'
import type { Environment } from '#lib/runtime/env.ts'
import { Context } from './context.ts'
import { CliError, exits } from './exit.ts'
import { Output, type Stream } from './output/output.ts'
import { safe, safeJson, safeLines } from './output/safe.ts'
import { createProgram, withSubcommands } from './program/program.ts'

/** Where a run's words go, and what ends it early. */
export interface Surroundings {
  readonly env: Environment
  readonly stdout: Stream
  readonly stderr: Stream
  /** Aborts with Ctrl-C and SIGTERM; its reason is the exit code then. */
  readonly signal: AbortSignal
}

/** What is said of an error. */
function tell(output: Output, { message, code, details, exitCode }: CliError): void {
  if (output.json) {
    const error = { message, exit_code: exitCode, ...(code ? { code } : {}), ...(details.length > 0 ? { details } : {}) }
    output.stderr.write(`${safeJson({ error })}\n`)
    return
  }
  output.stderr.write(`dcm: ${safe(message)}${code ? ` [${code}]` : ''}\n`)
  // One alone is in the message as a rule.
  for (const { path, message: what } of details) if (details.length > 1 || !message.includes(what)) output.stderr.write(`  ${safe(path)}: ${safe(what)}\n`)
}

const interruption = (signal: AbortSignal): CliError =>
  new CliError(signal.reason === exits.terminated ? exits.terminated : exits.interrupted, 'interrupted; what was asked of a service before may have been done')

/** How the command line's own errors are said: by commander, which knows its help. */
function configure(program: Command, { stdout, stderr }: Surroundings, isJson: boolean): void {
  for (const command of withSubcommands(program)) {
    command.exitOverride()
    command.configureOutput({ writeOut: (text) => void stdout.write(text), writeErr: (text) => void (isJson || stderr.write(safeLines(text))) })
  }
}

/**
 * Runs the command.
 * @param args without the program's own name
 * @returns the exit code
 */
export async function runCommand(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { env, stdout, stderr, signal } = surroundings
  const outputFor = (json: boolean) => new Output({ stdout, stderr, json, noColor: Boolean(env.NO_COLOR) })
  // Until it is parsed: what is wrong with the command line is JSON too.
  let output = outputFor(args.includes('--json'))
  let profile: string | undefined
  let exitCode = exits.ok
  const program = createProgram(async (work) => {
    exitCode = await work(new Context(env, output, signal, profile))
  })
  configure(program, surroundings, output.json)
  program.hook('preAction', (_program, command) => {
    const options = command.optsWithGlobals<{ json?: boolean; profile?: string }>()
    output = outputFor(options.json === true)
    profile = options.profile
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode !== 0 && output.json) tell(output, new CliError(exits.usage, error.message.replace(/^error: /, '')))
      return error.exitCode === 0 ? exits.ok : exits.usage
    }
    const told = signal.aborted && !(error instanceof CliError && error.exitCode === exits.interrupted) ? interruption(signal) : error
    if (!(told instanceof CliError)) throw error
    tell(output, told)
    return told.exitCode
  }
}
