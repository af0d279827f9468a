import { Command } from 'commander'
import { VERSION } from '#lib/runtime/version.ts'
import { exitTable } from '../exit.ts'
import { addAdminCommands } from './admin.ts'
import { addConfigCommands } from './configs.ts'
import { addFleetCommands } from './fleet.ts'
import { addHitCommands } from './hits.ts'
import { addHostCommands } from './host.ts'
import type { Run } from './options.ts'

/** A command with all that are below it. */
export const withSubcommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withSubcommands)]

const settingsHelp = `
Where the services are, and the key for them:
  CONTROLLER_URL  WORKER_URL  AGENT_URL     http://localhost:6001, :6002 and :8081 where unset
  API_KEY or API_KEY_FILE                   default-api-key where unset; never on the command line
  WORKER_API_KEY or WORKER_API_KEY_FILE     where the worker has a key
  DCM_PROFILE, DCM_CONFIG                   a profile, and the file of profiles (~/.config/dcm/config.json)
  NO_COLOR                                  no colours, on a terminal either`

const exitHelp = `
Exit codes:
${Object.values(exitTable)
  .map(([number, what]) => `  ${String(number).padStart(3)}  ${what.replaceAll('`', '')}`)
  .join('\n')}`

/**
 * The command with all of its parts.
 * @param run runs what a command does
 */
export function createProgram(run: Run): Command {
  const program = new Command('dcm')
    .description('Publishes configs, shows what the fleet makes of them, and looks after the services.')
    .version(VERSION, '-V, --version', 'show the release of this command')
    // So that --version of agents is not taken for this one.
    .enablePositionalOptions()
  addConfigCommands(program, run)
  addFleetCommands(program, run)
  addHitCommands(program, run)
  addAdminCommands(program, run)
  addHostCommands(program, run)
  for (const command of withSubcommands(program)) {
    // Wherever they stand on the line.
    command
      .option('--json', 'one JSON document on stdout; errors as JSON on stderr')
      .option('--profile <name>', 'the profile to use; goes before the environment')
    command.showHelpAfterError(`(${command.name() === 'dcm' ? 'dcm' : pathOf(command)} --help says more)`)
  }
  return program.addHelpText('after', `${settingsHelp}\n${exitHelp}`)
}

/** The words that lead to a command. */
export const pathOf = (command: Command): string => (command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name())
