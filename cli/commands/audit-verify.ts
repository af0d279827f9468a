import { AuditCheck } from '#lib/audit/check.ts'
import { AUDIT_START, type AuditPage } from '#lib/contract/audit.ts'
import { HistoryPageSchema } from '#lib/contract/history.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { auditPage } from './audit.ts'

const PAGE = 1000

/** The latest version that was published since there is an audit: those from before have no name of a key. */
async function latestAudited({ controller, settings }: Context): Promise<number | undefined> {
  const { configs } = await ask(settings.controllerUrl, () => controller.configs.$get({ query: { limit: '1' } }), HistoryPageSchema)
  const [latest] = configs
  return latest?.published_by === null ? undefined : latest?.version
}

/** `dcm audit verify`: reads all of it, and checks the chain. */
export async function verifyAudit(context: Context, options: { readonly head?: string }): Promise<number> {
  const { output } = context
  const known = options.head?.toLowerCase()
  if (known !== undefined && !/^[0-9a-f]{64}$/.test(known))
    throw new CliError(exits.usage, `--head takes a hash of 64 hexadecimal digits, not ${JSON.stringify(options.head)}`)
  // Before the audit: what is published while it is read is in the audit, and not in this.
  const latestVersion = await latestAudited(context)
  const check = new AuditCheck(known)
  let head: AuditPage['head'] | undefined
  let entries = 0
  for (let before: number | undefined; ; ) {
    const page = await auditPage(context, PAGE, before)
    head ??= page.head
    for (const entry of page.entries) check.add(entry)
    entries += page.entries.length
    before = page.next_before
    if (before === undefined) break
  }
  const findings = check.end({ written: head.written, latestVersion })
  const { seq, hash } = check.newest ?? { seq: 0, hash: AUDIT_START }
  output.result({ whole: findings.length === 0, entries, head: { seq, hash }, findings }, () =>
    findings.length === 0
      ? `the audit is whole: ${entries} entries, head ${hash}`
      : findings.map(({ kind, message }) => `${output.colours.red(kind)}: ${message}`).join('\n'),
  )
  return findings.length === 0 ? exits.ok : exits.data
}
