import { createHash, hash } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { AUDIT_START, type AuditEntry, type AuditPage, AuditPageSchema, hashedFields } from '#lib/contract/audit.ts'
import { ConfigSchema } from '#lib/contract/config.ts'
import { SchemaDeletedSchema, StoredSchemaSchema } from '#lib/contract/config-schema.ts'
import { KeyRevokedSchema, KeysSchema, MadeKeySchema, roles } from '#lib/contract/keys.ts'
import { streamingFetch } from '#lib/http/peer.ts'
import { ask, reach } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'

/** `dcm schema get`. */
export async function getSchema({ controller, settings, output }: Context): Promise<number> {
  const stored = await ask(settings.controllerUrl, () => controller.config.schema.$get(), StoredSchemaSchema)
  output.result(stored, () => JSON.stringify(stored.schema, null, 2))
  return exits.ok
}

/** `dcm schema set FILE`. */
export async function setSchema(
  { controller, settings, output }: Context,
  file: string,
  options: { readonly force?: boolean; readonly comment?: string },
): Promise<number> {
  let json: unknown
  try {
    json = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'))
  } catch (error) {
    const isMissing = error instanceof Error && 'syscall' in error
    throw new CliError(
      isMissing ? exits.noInput : exits.data,
      `cannot read a JSON Schema from ${file}: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new CliError(exits.data, `${file} must hold a JSON Schema: a JSON object`)
  const query = { ...(options.force ? { force: 'true' as const } : {}), ...(options.comment === undefined ? {} : { comment: options.comment }) }
  const schema = Object.fromEntries(Object.entries(json))
  const stored = await ask(settings.controllerUrl, () => controller.config.schema.$put({ query, json: schema }), StoredSchemaSchema)
  output.result(stored, () => 'the config schema is in force')
  return exits.ok
}

/** `dcm schema delete`. */
export async function deleteSchema({ controller, settings, output }: Context): Promise<number> {
  const deleted = await ask(settings.controllerUrl, () => controller.config.schema.$delete({ query: {} }), SchemaDeletedSchema)
  output.result(deleted, () => 'the config schema is deleted')
  return exits.ok
}

/** `dcm keys list`. */
export async function listKeys({ controller, settings, output }: Context): Promise<number> {
  const found = await ask(settings.controllerUrl, () => controller.keys.$get(), KeysSchema)
  output.result(found, () =>
    output.table(
      ['NAME', 'ROLE', 'PREFIX', 'CREATED', 'EXPIRES', 'USED', 'ID'],
      found.keys.map((key) => [key.name, key.role, key.prefix, key.created_at, key.expires_at, key.last_used_at, key.id]),
    ),
  )
  return exits.ok
}

/** `dcm keys make NAME --role ROLE`. */
export async function makeKey(
  { controller, settings, output }: Context,
  name: string,
  options: { readonly role: string; readonly expires?: string },
): Promise<number> {
  const role = roles.find((known) => known === options.role)
  if (role === undefined) throw new CliError(exits.usage, `--role must be one of ${roles.join(', ')}, not ${JSON.stringify(options.role)}`)
  const json = { name, role, ...(options.expires === undefined ? {} : { expires_at: options.expires }) }
  const made = await ask(settings.controllerUrl, () => controller.keys.$post({ json }), MadeKeySchema)
  output.result(made, () => made.key)
  output.note(`made the key ${made.id} for ${made.name} (${made.role}); it is shown this once`)
  return exits.ok
}

/** `dcm keys revoke ID`. */
export async function revokeKey({ controller, settings, output }: Context, id: string): Promise<number> {
  const revoked = await ask(settings.controllerUrl, () => controller.keys[':id'].$delete({ param: { id } }), KeyRevokedSchema)
  output.result(revoked, () => `revoked ${revoked.id}`)
  return exits.ok
}

const auditPage = ({ controller, settings }: Context, limit: string, before?: number): Promise<AuditPage> => {
  const query = { limit, ...(before === undefined ? {} : { before: String(before) }) }
  return ask(settings.controllerUrl, () => controller.audit.$get({ query }), AuditPageSchema)
}

/** `dcm audit`. */
export async function audit(context: Context, options: { readonly limit: string }): Promise<number> {
  const { output } = context
  const page = await auditPage(context, options.limit)
  const versions = ({ version_before: before, version_after: after }: AuditEntry) => (before === after ? (after ?? '-') : `${before ?? '-'} -> ${after}`)
  output.result(page, () =>
    output.table(
      ['SEQ', 'AT', 'WHO', 'FROM', 'WHAT', 'VERSION', 'SUBJECT', 'COMMENT'],
      page.entries.map((entry) => [entry.seq, entry.at, entry.actor, entry.address, entry.action, versions(entry), entry.subject ?? '', entry.comment ?? '']),
    ),
  )
  return exits.ok
}

/** What is wrong with an audit; nothing where it is whole. */
export function auditProblems(
  entries: readonly AuditEntry[],
  head: AuditPage['head'],
  known: { readonly head?: string; readonly latestVersion?: number },
): string[] {
  const problems: string[] = []
  let before = AUDIT_START
  for (const [i, entry] of entries.entries()) {
    if (entry.seq !== i + 1) {
      problems.push(`a gap: entry ${i + 1} is missing, entry ${entry.seq} stands in its place`)
      break
    }
    if (entry.hash !== hash('sha256', hashedFields(entry), 'hex')) problems.push(`an edit: entry ${entry.seq} is not what its hash says`)
    if (entry.prev_hash !== before) problems.push(`a break: entry ${entry.seq} does not stand on the one before it`)
    before = entry.hash
  }
  if (head.written > head.seq) problems.push(`a cut: ${head.written} entries were written, the last one is ${head.seq}`)
  if (known.head !== undefined && known.head !== AUDIT_START && !entries.some(({ hash: one }) => one === known.head))
    problems.push(`a cut or an edit: no entry has the hash ${known.head}`)
  const last = entries.at(-1)?.version_after ?? 0
  if (entries.length > 0 && known.latestVersion !== undefined && last !== known.latestVersion)
    problems.push(`a cut: the last entry tells of version ${last}, the latest version is ${known.latestVersion}`)
  return problems
}

/** `dcm audit verify`: reads all of it and checks the chain. */
export async function verifyAudit(context: Context, options: { readonly head?: string }): Promise<number> {
  const { output, controller, settings } = context
  const entries: AuditEntry[] = []
  let head: AuditPage['head'] | undefined
  for (let before: number | undefined; ; ) {
    const page = await auditPage(context, '1000', before)
    head ??= page.head
    entries.push(...page.entries)
    before = page.next_before
    if (before === undefined) break
  }
  const latest = await ask(settings.controllerUrl, () => controller.config.$get({ query: {}, header: {} }), ConfigSchema).catch((error: unknown) => {
    if (error instanceof CliError && error.code === 'NOT_FOUND') return undefined
    throw error
  })
  // What was published while the pages were read is in none of them.
  const isStill = (await auditPage(context, '1')).head.seq === head.seq
  const problems = auditProblems(entries.reverse(), head, {
    ...(options.head === undefined ? {} : { head: options.head }),
    ...(latest && isStill ? { latestVersion: latest.version } : {}),
  })
  output.result({ ok: problems.length === 0, entries: entries.length, head, problems }, () =>
    problems.length === 0 ? `the audit is whole: ${entries.length} entries, head ${head.hash}` : problems.join('\n'),
  )
  return problems.length === 0 ? exits.ok : exits.data
}

/** `dcm backup FILE`. */
export async function backup({ controller, settings, output }: Context, file: string, options: { readonly force?: boolean }): Promise<number> {
  if (existsSync(file) && !options.force) throw new CliError(exits.cannotCreate, `cannot write ${file}: it exists already; --force overwrites it`)
  // As it is: what reads other answers takes them for text.
  const answer = await reach(settings.controllerUrl, () => controller.backup.$get(undefined, { fetch: streamingFetch }))
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const wanted = answer.headers.get('Repr-Digest')
  if (wanted !== `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`)
    throw new CliError(exits.unavailable, 'the backup did not arrive as it was sent; try again')
  const part = `${file}.${process.pid}.part`
  try {
    const descriptor = openSync(part, 'wx', 0o600)
    try {
      for (let at = 0; at < bytes.byteLength; ) at += writeSync(descriptor, bytes, at)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(part, file)
  } catch (error) {
    rmSync(part, { force: true })
    throw new CliError(exits.cannotCreate, `cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  output.result({ file, bytes: bytes.byteLength }, () => `wrote ${file}, ${bytes.byteLength} bytes`)
  return exits.ok
}
