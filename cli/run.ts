import { CommanderError } from 'commander'
import type { Environment } from '#lib/runtime/env.ts'
import { Context } from './context.ts'
import { CliError, exits } from './exit.ts'
import { Output, type Stream, safe } from './output.ts'
import { createProgram } from './program.ts'

/** Where a run's words go, and what ends it early. */
export interface Surroundings {
  readonly env: Environment
  readonly stdout: Stream
  readonly stderr: Stream
  readonly signal: AbortSignal
}

/** What is printed of an error. */
function tell(output: Output, error: CliError): void {
  const { message, code, details, exitCode } = error
  if (output.json) {
    output.stderr.write(
      `${JSON.stringify({ error: { message, exit_code: exitCode, ...(code ? { code } : {}), ...(details.length > 0 ? { details } : {}) } })}\n`,
    )
    return
  }
  output.stderr.write(`dcm: ${safe(message)}${code ? ` [${code}]` : ''}\n`)
  // One violation is in the message already.
  if (details.length > 1) for (const { path, message: what } of details) output.stderr.write(`  ${safe(path)}: ${safe(what)}\n`)
}

/**
 * Runs the command.
 * @param args without the program's own name
 * @returns the exit code
 */
export async function runCommand(args: readonly string[], { env, stdout, stderr, signal }: Surroundings): Promise<number> {
  let exitCode: number = exits.ok
  // Known before anything is parsed, so that what is wrong with the command line is JSON too.
  const output = new Output({ stdout, stderr, json: args.includes('--json'), noColor: Boolean(env.NO_COLOR) })
  const program = createProgram(async (work) => {
    const { profile } = program.opts<{ profile?: string }>()
    exitCode = await work(new Context(env, output, signal, profile))
  })
  const configured = [program, ...program.commands, ...program.commands.flatMap((command) => command.commands)]
  for (const command of configured) {
    command.exitOverride()
    command.configureOutput({ writeOut: (text) => void stdout.write(text), writeErr: (text) => void (output.json || stderr.write(text)) })
    // Wherever it stands on the line.
    if (command !== program) command.option('--json', 'one JSON document on stdout')
  }
  if (args[0] === 'completion' || args[0] === 'complete') {
    const { default: tab } = await import('@bomb.sh/tab/commander')
    tab(program, { completionCommandName: 'completion' })
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode !== 0 && output.json) tell(output, new CliError(exits.usage, error.message.replace(/^error: /, '')))
      return error.exitCode === 0 ? exits.ok : exits.usage
    }
    if (!(error instanceof CliError)) throw error
    tell(output, error)
    return error.exitCode
  }
}
