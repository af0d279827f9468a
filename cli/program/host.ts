import { Argument, type Command } from 'commander'
import { shells } from '../completion/shells.ts'
import { examples, type Run } from './options.ts'

/** What is done on a host itself, and to the command. */
export function addHostCommands(program: Command, run: Run): void {
  program
    .command('restore')
    .description('put a backup in the place of the database, while the controller does not run')
    .argument('<file>', 'what `dcm backup` wrote')
    .option('--to <file>', 'the database; absent: CONTROLLER_DB_PATH, else controller.db in DATA_DIR')
    .action((file, options) => run(async (context) => (await import('../commands/restore.ts')).restore(context, file, options)))
  program
    .command('import-go')
    .description("take versions and agents of the Go system's database over into a new one")
    .argument('<file>', 'the database of the Go system; it is only read')
    .option('--to <file>', 'the new database; absent: CONTROLLER_DB_PATH, else controller.db in DATA_DIR')
    .action((file, options) => run(async (context) => (await import('../commands/import-go.ts')).importGo(context, file, options)))
  program
    .command('doctor')
    .description('look for what is wrong, here and with the services, and say how to mend it')
    .action(() => run(async (context) => (await import('../commands/doctor.ts')).doctor(context)))
  const profile = program.command('profile').description('where the services of each fleet are, by name')
  profile
    .command('list', { isDefault: true })
    .description('list the profiles, and say which file they are in')
    .action(() => run(async (context) => (await import('../commands/profile.ts')).listProfiles(context)))
  const completion = program
    .command('completion')
    .description('print what completes this command in a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(shells))
    .action((shell) => run(async (context) => (await import('../commands/completion.ts')).completion(context, program, shell)))
  examples(
    completion,
    'source <(dcm completion bash)                                 # in ~/.bashrc',
    'dcm completion zsh > "$HOME/.zfunc/_dcm"                      # once, in a folder of fpath',
    'dcm completion fish > ~/.config/fish/completions/dcm.fish     # once',
  )
}
