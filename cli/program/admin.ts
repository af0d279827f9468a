import { type Command, Option } from 'commander'
import { auditActions } from '#lib/contract/audit.ts'
import { roles } from '#lib/contract/keys.ts'
import { limit, type Run } from './options.ts'

/** What admins do: keys, the audit, backups. */
export function addAdminCommands(program: Command, run: Run): void {
  const keys = program.command('keys').description('keys of hosts and colleagues, one for each')
  keys
    .command('list', { isDefault: true })
    .description('list keys; the keys themselves are kept nowhere')
    .action(() => run(async (context) => (await import('../commands/keys.ts')).listKeys(context)))
  keys
    .command('make')
    .description('make a key, and print it, this once')
    .argument('<name>', 'whose it is; keys of one name are one owner’s')
    .addOption(new Option('--role <role>', 'what it may do').choices(roles).makeOptionMandatory())
    .option('--expires <time>', 'from when on it is refused, as 2027-01-31T00:00:00Z; absent: never')
    .action((name, options) => run(async (context) => (await import('../commands/keys.ts')).makeKey(context, name, options)))
  keys
    .command('revoke')
    .description('revoke a key: it is refused at once')
    .argument('<id>', 'its id, as `dcm keys` shows it')
    .action((id) => run(async (context) => (await import('../commands/keys.ts')).revokeKey(context, id)))

  const audit = program.command('audit').description('who changed what')
  audit
    .command('list', { isDefault: true })
    .description('list changes, the newest first')
    .addOption(limit('changes'))
    .addOption(new Option('--action <action>', 'only what was done so').choices(auditActions))
    .option('--actor <name>', 'only what was done with keys of this name')
    .option('--since <time>', 'only from this time on, as 2027-01-31T00:00:00Z')
    .option('--until <time>', 'only before this time')
    .action((options) => run(async (context) => (await import('../commands/audit.ts')).listAudit(context, options)))
  audit
    .command('verify')
    .description('find an edit, a gap and a cut tail in the audit')
    .option('--head <hash>', 'a hash that was kept elsewhere: `audit_hash` of a log line, or what an earlier run printed')
    .action((options) => run(async (context) => (await import('../commands/audit-verify.ts')).verifyAudit(context, options)))

  program
    .command('backup')
    .description('write a copy of the database to FILE, while the controller goes on')
    .argument('<file>', 'what to write; it is not overwritten')
    .option('--force', 'overwrite it')
    .action((file, options) => run(async (context) => (await import('../commands/backup.ts')).backup(context, file, options)))
}
