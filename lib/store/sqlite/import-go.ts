import { existsSync, renameSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { z } from 'zod'
import { ConfigDataSchema, DEFAULT_POLL_INTERVAL_SECONDS, MAX_POLL_INTERVAL_SECONDS } from '../../contract/config.ts'
import { parseStrictJson, StrictJsonError } from '../../contract/strict-json.ts'
import { openDatabase } from '../../sqlite/open.ts'
import { configVersions, registeredAgents } from './tables.ts'

/** The Go system's tables hold what its drivers wrote: a time is a string in one of several forms. */
const GoConfigSchema = z.object({
  id: z.string().min(1),
  version: z.number().int().min(1),
  data: z.string(),
  poll_interval_seconds: z.number().int().nullable(),
  created_at: z.unknown(),
})
const GoAgentSchema = z.object({
  id: z.string().min(1),
  hostname: z.string(),
  ip_address: z.string(),
  port: z.number().int(),
  created_at: z.unknown(),
  updated_at: z.unknown(),
})

/** A time as the Go drivers write it (`2026-01-02 03:04:05.6 +0000 UTC`, ISO, …) as ISO; the import's own time where it is none. */
function isoTime(value: unknown): string {
  const text = String(value ?? '')
    .replace(/ (UTC|[A-Z]{3,4})( m=.*)?$/, '')
    .replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,3})?)\d*/, '$1T$2')
    .replace(/ ?([+-]\d\d):?(\d\d)$/, '$1:$2')
  const time = Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`)
  return new Date(Number.isNaN(time) ? Date.now() : time).toISOString()
}

/** A row of the Go system's configs as ours, or why it does not fit. */
function configRow(row: unknown, place: string): { readonly values: typeof configVersions.$inferInsert } | { readonly problem: string } {
  const parsed = GoConfigSchema.safeParse(row)
  if (!parsed.success) return { problem: `${place}: ${parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join(', ')}` }
  const { id, version, data, poll_interval_seconds: seconds, created_at } = parsed.data
  let content: unknown
  try {
    content = parseStrictJson(data)
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    return { problem: `${place}: data: ${error.path}: ${error.message}` }
  }
  const checked = ConfigDataSchema.safeParse(content)
  if (!checked.success) return { problem: `${place}: data: ${checked.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join(', ')}` }
  const interval = seconds !== null && seconds > 0 ? Math.min(seconds, MAX_POLL_INTERVAL_SECONDS) : DEFAULT_POLL_INTERVAL_SECONDS
  return { values: { id, version, data: checked.data, pollIntervalSeconds: interval, createdAt: isoTime(created_at) } }
}

/** The rows of a Go system's database, or why some do not fit. */
function readGo(from: string) {
  const db = new Database(from, { readonly: true, fileMustExist: true })
  try {
    const configs = db.prepare('SELECT * FROM configs ORDER BY version').all()
    const agents = db.prepare('SELECT * FROM agents ORDER BY id').all()
    const rows = configs.map((row, i) => configRow(row, `configs, row ${i + 1}`))
    const problems = rows.flatMap((row) => ('problem' in row ? [row.problem] : []))
    const values = rows.flatMap((row) => ('values' in row ? [row.values] : []))
    values.forEach(({ version }, i) => {
      if (problems.length === 0 && version !== i + 1) problems.push(`configs: version ${i + 1} is missing; versions run without gaps`)
    })
    const agentRows = agents.map((row, i) => ({ parsed: GoAgentSchema.safeParse(row), place: `agents, row ${i + 1}` }))
    for (const { parsed, place } of agentRows)
      if (!parsed.success) problems.push(`${place}: ${parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join(', ')}`)
    return { configs: values, agents: agentRows.flatMap(({ parsed }) => (parsed.success ? [parsed.data] : [])), problems }
  } finally {
    db.close()
  }
}

/** How an import ended: what was taken over, or what does not fit, row by row (nothing was imported then). */
export type ImportOutcome =
  | { readonly kind: 'imported'; readonly versions: number; readonly agents: number }
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/**
 * Takes versions and agents of a Go system's database over into a new file. The old one is only read; the new
 * one appears whole, under its name, or not at all.
 * @param options.from the Go system's database
 * @param options.to the new database; must not exist
 * @throws Error where `to` exists; SqliteError where `from` is no such database
 */
export function importGoDatabase(options: { readonly from: string; readonly to: string; readonly migrations: string }): ImportOutcome {
  if (existsSync(options.to)) throw new Error(`Cannot import into ${JSON.stringify(options.to)}: it exists already; name a new file`)
  const { configs, agents, problems } = readGo(options.from)
  if (problems.length > 0) return { kind: 'refused', problems }
  const unfinished = `${options.to}.${process.pid}.importing`
  const sqlite = openDatabase(unfinished)
  try {
    const db = drizzle({ client: sqlite })
    migrate(db, { migrationsFolder: options.migrations })
    db.transaction((tx) => {
      for (const values of configs) tx.insert(configVersions).values(values).run()
      for (const agent of agents) {
        const { id, hostname, ip_address, port, created_at, updated_at } = agent
        tx.insert(registeredAgents)
          .values({ agentId: id, hostname, ipAddress: ip_address, port, labels: {}, registeredAt: isoTime(created_at), updatedAt: isoTime(updated_at) })
          .run()
      }
    })
    // Everything into the one file, so that it can be renamed.
    sqlite.pragma('journal_mode = DELETE')
    sqlite.close()
    renameSync(unfinished, options.to)
    return { kind: 'imported', versions: configs.length, agents: agents.length }
  } catch (error) {
    sqlite.close()
    rmSync(unfinished, { force: true })
    throw error
  }
}
