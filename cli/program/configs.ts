import type { Command } from 'commander'
import { MAX_POLL_INTERVAL_SECONDS } from '#lib/contract/config.ts'
import { collect, examples, limit, type Run, version, whole, withPublishOptions } from './options.ts'

/** Publishing, and what was published. */
export function addConfigCommands(program: Command, run: Run): void {
  const publish = program
    .command('publish')
    .description('publish a config: FILE holds its data, a JSON object; - is standard input')
    .argument('[file]', 'the data, as `dcm get --data` prints it')
    .option('--set <key=value>', 'change one value of the latest config; dots lead into objects; JSON where it is some, else text; may be repeated', collect)
    .option('--interval <seconds>', 'between polls of agents that poll; with --set what it was, else 30', whole(1, MAX_POLL_INTERVAL_SECONDS))
    .action((file, options) => run(async (context) => (await import('../commands/publish.ts')).publish(context, file, options)))
  examples(
    withPublishOptions(publish),
    'dcm publish config.json --comment "new target" --wait',
    'dcm publish --set url=https://example.com/b --set limits.max=5 --dry-run',
    `dcm get --data | jq '.url = "https://example.com/b"' | dcm publish - --if-version 7`,
  )
  program
    .command('get')
    .description('show the latest config, or one version')
    .argument('[version]', 'a version; absent: the latest', version)
    .option('--data', 'its data alone')
    .action((number, options) => run(async (context) => (await import('../commands/get.ts')).get(context, number, options)))
  program
    .command('history')
    .description('list versions, the newest first')
    .addOption(limit('versions'))
    .option('--before <version>', 'only those below', version)
    .action((options) => run(async (context) => (await import('../commands/history.ts')).history(context, options)))
  program
    .command('diff')
    .description('show what differs between two versions')
    .argument('<a>', 'a version', version)
    .argument('<b>', 'a version', version)
    .action((a, b) => run(async (context) => (await import('../commands/diff.ts')).diff(context, a, b)))
  const rollback = program
    .command('rollback')
    .description('publish the content of an older version again')
    .argument('<version>', 'the version to go back to', version)
    .option('--yes', 'do not ask')
    .action((number, options) => run(async (context) => (await import('../commands/rollback.ts')).rollback(context, number, options)))
  withPublishOptions(rollback).addHelpText(
    'after',
    '\nOn a terminal it shows the difference and asks. Off a terminal there is nobody to ask: it goes back at once, as publish publishes.',
  )
  const schema = program.command('schema').description('what every config has to meet: a JSON Schema of draft 2020-12')
  schema
    .command('get', { isDefault: true })
    .description('show the config schema')
    .action(() => run(async (context) => (await import('../commands/schema.ts')).getSchema(context)))
  schema
    .command('set')
    .description('set the config schema; - is standard input')
    .argument('<file>', 'a JSON Schema')
    .option('--force', 'also where the latest config does not meet it: the next one has to')
    .option('--comment <text>', 'why this change; kept in the audit')
    .action((file, options) => run(async (context) => (await import('../commands/schema.ts')).setSchema(context, file, options)))
  schema
    .command('delete')
    .description('delete the config schema')
    .option('--comment <text>', 'why this change; kept in the audit')
    .action((options) => run(async (context) => (await import('../commands/schema.ts')).deleteSchema(context, options)))
}
