import { type Command, Option } from 'commander'
import { agentSorts, fleetStates } from '#lib/contract/inventory.ts'
import { examples, type Run, whole } from './options.ts'

/** The agents, and how the last publish converges. */
export function addFleetCommands(program: Command, run: Run): void {
  program
    .command('status')
    .description('show the fleet at a glance, and how the last publish converges')
    .option('--watch', 'again each second, until Ctrl-C; with --json a line each')
    .action((options) => run(async (context) => (await import('../commands/status.ts')).status(context, options)))
  const agents = program
    .command('agents')
    .description('list agents')
    .option('--version <n>', 'only those whose worker runs this version', whole(0, Number.MAX_SAFE_INTEGER))
    .addOption(new Option('--state <state>', 'only those in this state').choices(fleetStates))
    .option('--label <key=value>', 'only those with this label')
    .option('--search <text>', 'only those in whose hostname, id or address this is found')
    .addOption(
      new Option('--sort <order>', 'by registration where absent; with - in front the other way round: --sort=-last_seen').choices(
        agentSorts.flatMap((sort) => [sort, `-${sort}`]),
      ),
    )
    .addOption(new Option('--online', 'only those that are online').conflicts('offline'))
    .option('--offline', 'only those that are not')
    .action((options) => run(async (context) => (await import('../commands/agents.ts')).agents(context, options)))
  examples(agents, 'dcm agents --state failed --online', 'dcm agents --label zone=eu-1 --json | jq -r ".agents[].hostname"')
  agents
    .command('delete')
    .description('forget an agent; one that is still there registers again')
    .argument('<id>', 'its id, as `dcm agents` shows it')
    .action((id) => run(async (context) => (await import('../commands/agents.ts')).deleteAgent(context, id)))
  program
    .command('agent')
    .description('show one agent')
    .argument('<id>', 'its id, as `dcm agents` shows it')
    .action((id) => run(async (context) => (await import('../commands/agent.ts')).agent(context, id)))
}
