import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Every config ever published. The version is the primary key: two rows of one version cannot exist. */
export const configVersions = sqliteTable('config_versions', {
  version: integer('version').primaryKey(),
  id: text('id').notNull().unique(),
  data: text('data', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
  pollIntervalSeconds: integer('poll_interval_seconds').notNull(),
  comment: text('comment'),
  author: text('author'),
  createdAt: text('created_at').notNull(),
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

/** One row that `/ready` writes: that a database can be read does not say that it can be written. */
export const writeProbe = sqliteTable('write_probe', {
  one: integer('one').primaryKey(),
  at: text('at').notNull(),
})
