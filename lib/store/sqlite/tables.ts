import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { auditActions } from '../../contract/audit.ts'
import { roles } from '../../contract/keys.ts'

/** Every config ever published. The version is the primary key: two rows of one version cannot exist. */
export const configVersions = sqliteTable('config_versions', {
  version: integer('version').primaryKey(),
  id: text('id').notNull().unique(),
  data: text('data', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
  pollIntervalSeconds: integer('poll_interval_seconds').notNull(),
  comment: text('comment'),
  author: text('author'),
  createdAt: text('created_at').notNull(),
  /** The name of the key; null for what is older than keys. */
  publishedBy: text('published_by'),
  rollbackOf: integer('rollback_of'),
  /** Of the request that published it: agents and workers carry them on. */
  requestId: text('request_id'),
  traceparent: text('traceparent'),
})

/**
 * Every change that an operator made, in the order of the changes, each with the hash of the one before. Triggers
 * refuse that one is altered or deleted. AUTOINCREMENT: SQLite remembers how many there were, whatever is cut off.
 */
export const auditEntries = sqliteTable('audit_entries', {
  seq: integer('seq').primaryKey({ autoIncrement: true }),
  at: text('at').notNull(),
  action: text('action', { enum: auditActions }).notNull(),
  keyId: text('key_id').notNull(),
  actor: text('actor').notNull(),
  address: text('address').notNull(),
  requestId: text('request_id').notNull(),
  subject: text('subject'),
  versionBefore: integer('version_before'),
  versionAfter: integer('version_after'),
  comment: text('comment'),
  prevHash: text('prev_hash').notNull(),
  hash: text('hash').notNull(),
})

/** Idempotency-Keys of publishes, for a day; those of one API key are no other's. */
export const publishKeys = sqliteTable(
  'publish_keys',
  {
    keyId: text('key_id').notNull(),
    idempotencyKey: text('idempotency_key').notNull(),
    fingerprint: text('fingerprint').notNull(),
    version: integer('version').notNull(),
    /** Wall time, ms since the epoch. */
    at: integer('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.keyId, table.idempotencyKey] }), index('publish_keys_at').on(table.at)],
)

/** The config schema in force: one row, whose revision counts its changes. */
export const configSchemas = sqliteTable('config_schemas', {
  one: integer('one').primaryKey(),
  revision: integer('revision').notNull(),
  /** Null: none is in force. */
  schema: text('schema', { mode: 'json' }).$type<Record<string, unknown>>(),
  setAt: text('set_at').notNull(),
  setBy: text('set_by').notNull(),
})

/** API keys: their digests, never themselves. */
export const apiKeys = sqliteTable('api_keys', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  role: text('role', { enum: roles }).notNull(),
  prefix: text('prefix').notNull(),
  digest: text('digest').notNull().unique(),
  createdAt: text('created_at').notNull(),
  expiresAt: text('expires_at'),
  lastUsedAt: text('last_used_at'),
  revokedAt: text('revoked_at'),
})

/** Agents that registered, by the id that registering again gives too. */
export const registeredAgents = sqliteTable('registered_agents', {
  agentId: text('agent_id').primaryKey(),
  instanceId: text('instance_id'),
  hostname: text('hostname').notNull(),
  ipAddress: text('ip_address').notNull(),
  port: integer('port').notNull(),
  labels: text('labels', { mode: 'json' }).$type<Record<string, string>>().notNull(),
  agentVersion: text('agent_version'),
  registeredAt: text('registered_at').notNull(),
  updatedAt: text('updated_at').notNull(),
  /** The name of the keys that it belongs to; null: nobody's. */
  owner: text('owner'),
})

/**
 * What the controller last knew of each agent. A table of its own: these rows are written for whole fleets each
 * minute, and the registrations with their labels are not.
 */
export const agentStates = sqliteTable('agent_states', {
  agentId: text('agent_id')
    .primaryKey()
    .references(() => registeredAgents.agentId, { onDelete: 'cascade' }),
  via: text('via', { enum: ['stream', 'wait', 'poll'] }),
  heldVersion: integer('held_version'),
  appliedVersion: integer('applied_version'),
  reportVersion: integer('report_version'),
  reportState: text('report_state', { enum: ['applying', 'applied', 'failed'] }),
  reportError: text('report_error'),
  relayId: text('relay_id'),
  relaySession: text('relay_session'),
  lastSeenAt: integer('last_seen_at').notNull(),
})

/**
 * What each agent made of each version: its last report on it, of the newest versions only. The inventory shows by it how
 * an agent came to where it is.
 */
export const agentReports = sqliteTable(
  'agent_reports',
  {
    agentId: text('agent_id')
      .notNull()
      .references(() => registeredAgents.agentId, { onDelete: 'cascade' }),
    version: integer('version').notNull(),
    state: text('state', { enum: ['applying', 'applied', 'failed'] }).notNull(),
    error: text('error'),
    /** Wall time, ms since the epoch. */
    at: integer('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.agentId, table.version] }), index('agent_reports_version').on(table.version)],
)

/** Sessions of the console: digests of what the cookie holds, never that itself. */
export const consoleSessions = sqliteTable('console_sessions', {
  digest: text('digest').primaryKey(),
  /** Of the key that it was begun with: it ends with that key. */
  keyDigest: text('key_digest').notNull(),
  csrf: text('csrf').notNull(),
  /** Wall time, ms since the epoch. */
  expiresAt: integer('expires_at').notNull(),
})

/** One row that `/ready` writes: that a database can be read does not say that it can be written. */
export const writeProbe = sqliteTable('write_probe', {
  one: integer('one').primaryKey(),
  at: text('at').notNull(),
})
