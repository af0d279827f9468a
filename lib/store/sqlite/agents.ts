import { eq, sql } from 'drizzle-orm'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { Clock } from '../../runtime/clock.ts'
import type { Actor, AuditHead, NewAgent, StoredAgent } from '../port.ts'
import type { Auditor } from './audit.ts'
import { registeredAgents } from './tables.ts'

type AgentRow = typeof registeredAgents.$inferSelect

/** A row as the port gives it. */
export const toAgent = (row: AgentRow): StoredAgent => ({
  agent_id: row.agentId,
  ...(row.instanceId === null ? {} : { instance_id: row.instanceId }),
  hostname: row.hostname,
  ip_address: row.ipAddress,
  port: row.port,
  labels: row.labels,
  ...(row.agentVersion === null ? {} : { agent_version: row.agentVersion }),
  owner: row.owner,
  registered_at: row.registeredAt,
  updated_at: row.updatedAt,
})

/**
 * Inserts an agent, or updates its row where something about it changed. The statements are prepared once: ten
 * thousand agents may register within seconds, and building the SQL of each is most of what one costs.
 * @returns to be called inside a transaction; gives the row as it is then
 */
export function registrar(db: BetterSQLite3Database, clock: Pick<Clock, 'now'>) {
  const agentId = sql.placeholder('agentId')
  const find = db.select().from(registeredAgents).where(eq(registeredAgents.agentId, agentId)).prepare()
  const placeholders = {
    instanceId: sql.placeholder('instanceId'),
    hostname: sql.placeholder('hostname'),
    ipAddress: sql.placeholder('ipAddress'),
    port: sql.placeholder('port'),
    labels: sql.placeholder('labels'),
    agentVersion: sql.placeholder('agentVersion'),
    updatedAt: sql.placeholder('updatedAt'),
    owner: sql.placeholder('owner'),
  }
  const save = db
    .insert(registeredAgents)
    .values({ agentId, ...placeholders, registeredAt: sql.placeholder('registeredAt') })
    .onConflictDoUpdate({
      target: registeredAgents.agentId,
      set: {
        instanceId: sql`excluded.instance_id`,
        hostname: sql`excluded.hostname`,
        ipAddress: sql`excluded.ip_address`,
        port: sql`excluded.port`,
        labels: sql`excluded.labels`,
        agentVersion: sql`excluded.agent_version`,
        updatedAt: sql`excluded.updated_at`,
        owner: sql`excluded.owner`,
      },
    })
    .prepare()
  return (agent: NewAgent): StoredAgent => {
    const at = new Date(clock.now()).toISOString()
    const known = find.get({ agentId: agent.agent_id })
    const values = {
      instanceId: agent.instance_id ?? null,
      hostname: agent.hostname,
      ipAddress: agent.ip_address,
      port: agent.port,
      labels: { ...agent.labels },
      agentVersion: agent.agent_version ?? null,
      owner: agent.owner === undefined ? (known?.owner ?? null) : agent.owner,
    }
    if (known) {
      const { agentId: _id, registeredAt: _registered, updatedAt: _updated, ...before } = known
      if (JSON.stringify(before) === JSON.stringify(values)) return toAgent(known)
    }
    const row: AgentRow = { agentId: agent.agent_id, ...values, registeredAt: known?.registeredAt ?? at, updatedAt: at }
    save.run(row)
    return toAgent(row)
  }
}

/** Deletes an agent; its state goes with it, by the foreign key. Gives the audit's head; undefined where it was not there. */
export function remover(db: BetterSQLite3Database, audit: Auditor) {
  return ({ agentId, actor }: { readonly agentId: string; readonly actor: Actor }): AuditHead | undefined => {
    const [gone] = db.delete(registeredAgents).where(eq(registeredAgents.agentId, agentId)).returning({ hostname: registeredAgents.hostname }).all()
    return gone && audit({ action: 'agent_deleted', actor, subject: `${agentId} (${gone.hostname})` })
  }
}
