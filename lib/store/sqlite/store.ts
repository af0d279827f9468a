import { randomUUID } from 'node:crypto'
import { desc, eq, sql } from 'drizzle-orm'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { Clock } from '../../runtime/clock.ts'
import { StartError } from '../../runtime/env.ts'
import { GroupCommit, OperationRefused } from '../../sqlite/group-commit.ts'
import { type FileLock, lockFile } from '../../sqlite/lock.ts'
import { isSqliteError, openDatabase, type SqliteDatabase } from '../../sqlite/open.ts'
import { type NewAgent, type NewConfig, type Store, type StoredAgent, type StoredConfig, StoreUnavailableError, VersionConflictError } from '../port.ts'
import { refuseForeignFile } from './files.ts'
import { configVersions, registeredAgents, writeProbe } from './tables.ts'

type Row = typeof configVersions.$inferSelect

const toConfig = (row: Row): StoredConfig => ({
  id: row.id,
  version: row.version,
  data: row.data,
  poll_interval_seconds: row.pollIntervalSeconds,
  created_at: row.createdAt,
})

/** Says of an error of SQLite that the store is away; another error is a fault of ours and goes on as it is. */
const unavailable = (error: unknown): unknown =>
  isSqliteError(error) ? new StoreUnavailableError(`the database refused: ${error.message} (${error.code})`, { cause: error }) : error

/** Runs a read, or the submission of a write, with SQLite's errors in the port's words. */
async function guarded<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw unavailable(error)
  }
}

/** Inserts the next version. The statements are prepared once: a publish is bound by the sync, not by building SQL. */
function publisher(db: BetterSQLite3Database, clock: Pick<Clock, 'now'>) {
  const latest = db
    .select({ version: sql<number>`coalesce(max(${configVersions.version}), 0)` })
    .from(configVersions)
    .prepare()
  const insert = db
    .insert(configVersions)
    .values({
      version: sql.placeholder('version'),
      id: sql.placeholder('id'),
      data: sql.placeholder('data'),
      pollIntervalSeconds: sql.placeholder('pollIntervalSeconds'),
      comment: sql.placeholder('comment'),
      author: sql.placeholder('author'),
      createdAt: sql.placeholder('createdAt'),
    })
    .prepare()
  return (config: NewConfig): StoredConfig => {
    const held = latest.get()?.version ?? 0
    if (config.allowed && !config.allowed(held)) throw new OperationRefused(new VersionConflictError(held))
    const row: Row = {
      version: held + 1,
      id: randomUUID(),
      data: { ...config.data },
      pollIntervalSeconds: config.poll_interval_seconds,
      comment: config.comment ?? null,
      author: config.author ?? null,
      createdAt: new Date(clock.now()).toISOString(),
    }
    insert.run(row)
    return toConfig(row)
  }
}

/** Inserts an agent, or updates its row where something about it changed. */
function registrar(db: BetterSQLite3Database, clock: Pick<Clock, 'now'>) {
  return (agent: NewAgent): void => {
    const at = new Date(clock.now()).toISOString()
    const values = {
      instanceId: agent.instance_id ?? null,
      hostname: agent.hostname,
      ipAddress: agent.ip_address,
      port: agent.port,
      labels: { ...agent.labels },
      agentVersion: agent.agent_version ?? null,
    }
    const known = db.select().from(registeredAgents).where(eq(registeredAgents.agentId, agent.agent_id)).get()
    if (!known) {
      db.insert(registeredAgents)
        .values({ agentId: agent.agent_id, ...values, registeredAt: at, updatedAt: at })
        .run()
      return
    }
    const { agentId: _id, registeredAt: _registered, updatedAt: _updated, ...before } = known
    if (JSON.stringify(before) === JSON.stringify(values)) return
    db.update(registeredAgents)
      .set({ ...values, updatedAt: at })
      .where(eq(registeredAgents.agentId, agent.agent_id))
      .run()
  }
}

/** Refuses a file that a later release has migrated: this one does not know what its tables mean. */
function refuseNewer(sqlite: SqliteDatabase, options: { readonly path: string; readonly migrations: string }): void {
  if (sqlite.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get() === undefined) return
  const applied = Number(sqlite.prepare('SELECT max(created_at) FROM __drizzle_migrations').pluck().get() ?? 0)
  const newest = readMigrationFiles({ migrationsFolder: options.migrations }).at(-1)?.folderMillis ?? 0
  if (applied > newest) {
    throw new StartError(
      `Cannot start the controller: ${JSON.stringify(options.path)} was used by a later release of this software; start that one, or restore a backup from before it`,
    )
  }
}

/** Opens the file and brings its tables up to date. */
function openMigrated(options: { readonly path: string; readonly migrations: string }): SqliteDatabase {
  const sqlite = openDatabase(options.path)
  try {
    const db = drizzle({ client: sqlite })
    refuseNewer(sqlite, options)
    migrate(db, { migrationsFolder: options.migrations })
    return sqlite
  } catch (error) {
    sqlite.close()
    throw error
  }
}

/** What SQLite or the file system says of a path that cannot be used, as the one line to print; another error as it is. */
function cannotOpen(path: string, error: unknown): unknown {
  if (!isSqliteError(error) && !(error instanceof Error && 'syscall' in error)) return error
  return new StartError(
    `Cannot start the controller: the database ${JSON.stringify(path)} cannot be opened for writing (${error.message}); look at its permissions and at the disk, or set CONTROLLER_DB_PATH to another file`,
  )
}

/** The lock of the file; its folder may not be there, or may not be written. */
function takeLock(path: string): FileLock {
  try {
    return lockFile(path, 'controller')
  } catch (error) {
    throw cannotOpen(path, error)
  }
}

/**
 * Opens the controller's database: takes its lock, brings its tables up to date, and gives the store.
 * @param options.path of the file
 * @param options.migrations the folder that drizzle-kit generated
 * @throws StartError where the file is not ours; FileLockedError where another controller has it
 */
export function openSqliteStore(options: { readonly path: string; readonly migrations: string; readonly clock: Pick<Clock, 'now'> }): Store {
  refuseForeignFile(options.path)
  const lock = takeLock(options.path)
  try {
    const sqlite = openMigrated(options)
    const db = drizzle({ client: sqlite })
    const publishes = new GroupCommit(sqlite, publisher(db, options.clock))
    const registrations = new GroupCommit(sqlite, registrar(db, options.clock))
    return {
      publish: (config) => guarded(() => publishes.submit(config)),
      latest: () =>
        guarded(() => {
          const row = db.select().from(configVersions).orderBy(desc(configVersions.version)).limit(1).get()
          return row && toConfig(row)
        }),
      byVersion: (version) =>
        guarded(() => {
          const row = db.select().from(configVersions).where(eq(configVersions.version, version)).get()
          return row && toConfig(row)
        }),
      registerAgent: (agent) => guarded(() => registrations.submit(agent)),
      agent: (agentId) =>
        guarded((): StoredAgent | undefined => {
          const row = db.select().from(registeredAgents).where(eq(registeredAgents.agentId, agentId)).get()
          return (
            row && {
              agent_id: row.agentId,
              ...(row.instanceId === null ? {} : { instance_id: row.instanceId }),
              hostname: row.hostname,
              ip_address: row.ipAddress,
              port: row.port,
              labels: row.labels,
              ...(row.agentVersion === null ? {} : { agent_version: row.agentVersion }),
              registered_at: row.registeredAt,
              updated_at: row.updatedAt,
            }
          )
        }),
      checkWritable: () =>
        guarded(() => {
          const at = new Date(options.clock.now()).toISOString()
          db.insert(writeProbe).values({ one: 1, at }).onConflictDoUpdate({ target: writeProbe.one, set: { at } }).run()
        }),
      [Symbol.asyncDispose]: async () => {
        sqlite.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw cannotOpen(options.path, error)
  }
}
