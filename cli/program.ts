import { Command, Option } from 'commander'
import { VERSION } from '#lib/runtime/version.ts'
import type { Context } from './context.ts'

/** Runs a command once its code is loaded: what a command does not need costs it nothing. */
export type Run = (work: (context: Context) => Promise<number>) => Promise<void>

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
const timeout = () => new Option('--timeout <seconds>', 'how long to wait').default('60')
const wait = () => new Option('--wait', 'wait until every online agent that reports has applied it')
const comment = () => new Option('--comment <text>', 'why this change')

/**
 * The command with all of its parts.
 * @param run runs what a command does
 */
export function createProgram(run: Run): Command {
  const program = new Command('dcm')
    .description('Publishes configs, and shows what the fleet makes of them.')
    .version(VERSION)
    .option('--json', 'one JSON document on stdout')
    .option('--profile <name>', 'where the services are, by a profile of the configuration file')
    .showHelpAfterError('(dcm --help shows the commands)')
    .enablePositionalOptions()

  program
    .command('publish')
    .description('publish a config: FILE holds its data, - is standard input')
    .argument('[file]', 'a JSON object')
    .option('--set <key=value>', 'change one value of the latest config; may be repeated', collect)
    .option('--if-version <n>', 'only where this is the latest version')
    .addOption(comment())
    .option('--interval <seconds>', 'between polls of agents that poll')
    .option('--idempotency-key <key>', 'makes a repeat safe')
    .option('--dry-run', 'show the difference and what the config schema finds wrong, publish nothing')
    .addOption(wait())
    .addOption(timeout())
    .action((file, options) => run(async (context) => (await import('./commands/publish.ts')).publish(context, file, options)))
  program
    .command('get')
    .description('show the latest config, or one version')
    .argument('[version]')
    .action((version) => run(async (context) => (await import('./commands/configs.ts')).get(context, version)))
  program
    .command('history')
    .description('list versions, the newest first')
    .option('--limit <n>', 'how many', '20')
    .option('--before <version>', 'only those below')
    .action((options) => run(async (context) => (await import('./commands/configs.ts')).history(context, options)))
  program
    .command('diff')
    .description('show what differs between two versions')
    .argument('<a>')
    .argument('<b>')
    .action((a, b) => run(async (context) => (await import('./commands/configs.ts')).diff(context, a, b)))
  program
    .command('rollback')
    .description('publish the content of an older version again; on a terminal it shows the difference and asks')
    .argument('<version>')
    .addOption(comment())
    .option('--dry-run', 'show the difference, publish nothing')
    .option('--yes', 'do not ask')
    .addOption(wait())
    .addOption(timeout())
    .action((version, options) => run(async (context) => (await import('./commands/configs.ts')).rollback(context, version, options)))

  const agents = program
    .command('agents')
    .description('list agents')
    .option('--version <n>', 'only those whose worker runs this version')
    .option('--state <state>', 'registered, pending, applying, applied or failed')
    .option('--label <key=value>', 'only those with this label')
    .option('--online', 'only those that are online')
    .option('--offline', 'only those that are not')
    .action((options) => run(async (context) => (await import('./commands/fleet.ts')).agents(context, options)))
  agents
    .command('show')
    .description('show one agent')
    .argument('<id>')
    .action((id) => run(async (context) => (await import('./commands/fleet.ts')).showAgent(context, id)))
  agents
    .command('delete')
    .description('forget an agent; one that is still there registers again')
    .argument('<id>')
    .action((id) => run(async (context) => (await import('./commands/fleet.ts')).deleteAgent(context, id)))
  program
    .command('status')
    .description('show the fleet at a glance')
    .option('--watch', 'again each second, until Ctrl-C')
    .action((options) => run(async (context) => (await import('./commands/fleet.ts')).status(context, options)))

  program
    .command('hit')
    .description('let the worker make a hit')
    .option('--wait', 'wait for its end')
    .addOption(timeout())
    .action((options) => run(async (context) => (await import('./commands/hits.ts')).hit(context, options)))
  const hits = program.command('hits').description('look at hits, and operate them')
  hits
    .command('list', { isDefault: true })
    .description('list hits')
    .option('--state <state>', 'queued, pending, completed or failed')
    .option('--limit <n>', 'how many', '20')
    .action((options) => run(async (context) => (await import('./commands/hits.ts')).listHits(context, options)))
  hits
    .command('show')
    .description('show one hit')
    .argument('<task>')
    .action((task) => run(async (context) => (await import('./commands/hits.ts')).showHit(context, task)))
  hits
    .command('stats')
    .description('how hits stand')
    .action(() => run(async (context) => (await import('./commands/hits.ts')).hitStats(context)))
  hits
    .command('retry')
    .description('queue a failed hit again, or all of them')
    .argument('[task]')
    .action((task) => run(async (context) => (await import('./commands/hits.ts')).retryHits(context, task)))
  for (const pause of [true, false]) {
    hits
      .command(pause ? 'pause' : 'resume')
      .description(pause ? 'take hits and make none' : 'go on making hits')
      .action(() => run(async (context) => (await import('./commands/hits.ts')).pauseHits(context, pause)))
  }

  const schema = program.command('schema').description('what every config has to meet')
  schema
    .command('get', { isDefault: true })
    .description('show the config schema')
    .action(() => run(async (context) => (await import('./commands/admin.ts')).getSchema(context)))
  schema
    .command('set')
    .description('set the config schema: a JSON Schema of draft 2020-12')
    .argument('<file>')
    .option('--force', 'also where the latest config does not meet it')
    .addOption(comment())
    .action((file, options) => run(async (context) => (await import('./commands/admin.ts')).setSchema(context, file, options)))
  schema
    .command('delete')
    .description('delete the config schema')
    .action(() => run(async (context) => (await import('./commands/admin.ts')).deleteSchema(context)))

  const keys = program.command('keys').description('a key for each host and colleague')
  keys
    .command('list', { isDefault: true })
    .description('list keys')
    .action(() => run(async (context) => (await import('./commands/admin.ts')).listKeys(context)))
  keys
    .command('make')
    .description('make a key, and show it this once')
    .argument('<name>')
    .requiredOption('--role <role>', 'agent, relay, publisher or admin')
    .option('--expires <time>', 'from when on it is refused, as 2027-01-31T00:00:00Z')
    .action((name, options) => run(async (context) => (await import('./commands/admin.ts')).makeKey(context, name, options)))
  keys
    .command('revoke')
    .description('revoke a key')
    .argument('<id>')
    .action((id) => run(async (context) => (await import('./commands/admin.ts')).revokeKey(context, id)))

  const audit = program.command('audit').description('who changed what')
  audit
    .command('list', { isDefault: true })
    .description('list changes, the newest first')
    .option('--limit <n>', 'how many', '20')
    .action((options) => run(async (context) => (await import('./commands/admin.ts')).audit(context, options)))
  audit
    .command('verify')
    .description('find an edit, a gap or a cut tail in the audit')
    .option('--head <hash>', 'a hash that a log line or an earlier run showed')
    .action((options) => run(async (context) => (await import('./commands/admin.ts')).verifyAudit(context, options)))

  program
    .command('backup')
    .description('write a copy of the database to FILE, while the controller goes on')
    .argument('<file>')
    .option('--force', 'overwrite it')
    .action((file, options) => run(async (context) => (await import('./commands/admin.ts')).backup(context, file, options)))
  program
    .command('restore')
    .description("put a backup in the place of the controller's database; the controller must not run")
    .argument('<file>')
    .action((file) => run(async (context) => (await import('./commands/offline.ts')).restore(context, file)))
  program
    .command('import-go')
    .description("take versions and agents of the Go system's database over into a new one")
    .argument('<file>')
    .option('--to <file>', 'the new database')
    .action((file, options) => run(async (context) => (await import('./commands/offline.ts')).importGo(context, file, options)))
  program
    .command('doctor')
    .description('look for what is wrong, and say how to mend it')
    .action(() => run(async (context) => (await import('./commands/doctor.ts')).doctor(context)))
  return program
}
