import { desc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import type { Clock } from '../../runtime/clock.ts'
import { copyDatabase } from '../../sqlite/backup-thread.ts'
import { GroupCommit } from '../../sqlite/group-commit.ts'
import { isSqliteError } from '../../sqlite/open.ts'
import { type Store, StoreUnavailableError } from '../port.ts'
import { registrar, remover, toAgent } from './agents.ts'
import { auditor, auditReader } from './audit.ts'
import { publisher, toConfig } from './configs.ts'
import { cannotOpen, openMigrated, takeLock } from './database.ts'
import { refuseForeignFile } from './files.ts'
import { historyReader } from './history.ts'
import { keyChanger, keyReader, keyUseSaver } from './keys.ts'
import { publishKeysOf } from './publish-keys.ts'
import { reportReader } from './reports.ts'
import { schemaReader, schemaSetter } from './schemas.ts'
import { sessionChanger, sessionReader } from './sessions.ts'
import { stateSaver, toState } from './states.ts'
import { agentStates, configVersions, registeredAgents, writeProbe } from './tables.ts'

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
    const audit = auditor(db, options.clock)
    const publishKeys = publishKeysOf(db, options.clock)
    const publishes = new GroupCommit(sqlite, publisher(db, options.clock, audit, publishKeys))
    const registrations = new GroupCommit(sqlite, registrar(db, options.clock))
    const deletions = new GroupCommit(sqlite, remover(db, audit))
    const keyChanges = new GroupCommit(sqlite, keyChanger(db, options.clock, audit))
    const keyUses = new GroupCommit(sqlite, keyUseSaver(db), { maxBatch: 1 })
    const schemaChanges = new GroupCommit(sqlite, schemaSetter(db, options.clock, audit))
    const sessions = new GroupCommit(sqlite, sessionChanger(db))
    const [readHistory, readAudit, readSchema, readKeys] = [historyReader(db), auditReader(db), schemaReader(db), keyReader(db)]
    const reports = reportReader(db)
    // A batch of states is large enough to be a transaction of its own.
    const states = new GroupCommit(sqlite, stateSaver(db), { maxBatch: 1 })
    const closing = new AbortController()
    return {
      publish: (config, actor) => guarded(() => publishes.submit({ config, actor })),
      publishedWith: (keyId, idempotency) =>
        guarded(() => {
          const version = publishKeys.find(keyId, idempotency)
          const row = version === undefined ? undefined : db.select().from(configVersions).where(eq(configVersions.version, version)).get()
          return row && toConfig(row)
        }),
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
      agents: () =>
        guarded(() => {
          const rows = db.select().from(registeredAgents).leftJoin(agentStates, eq(agentStates.agentId, registeredAgents.agentId)).all()
          return rows.map((row) => ({ agent: toAgent(row.registered_agents), state: row.agent_states ? toState(row.agent_states) : undefined }))
        }),
      saveAgentStates: (batch) => guarded(() => states.submit(batch)),
      agentReports: (agentId) => guarded(() => reports.ofAgent(agentId)),
      reportsOn: (version) => guarded(() => reports.onVersion(version)),
      deleteAgent: (agentId, actor) => guarded(() => deletions.submit({ agentId, actor })),
      history: (page) => guarded(() => readHistory(page)),
      audit: (page) => guarded(() => readAudit(page)),
      schema: () => guarded(readSchema),
      setSchema: (schema, follows, actor, comment) => guarded(() => schemaChanges.submit({ schema, follows, actor, comment })),
      keys: () => guarded(readKeys),
      addKey: async (key, actor) => {
        const head = await guarded(() => keyChanges.submit({ kind: 'add', key, actor }))
        if (head === undefined) throw new Error('a key that was added has no entry in the audit')
        return head
      },
      revokeKey: (id, actor) => guarded(() => keyChanges.submit({ kind: 'revoke', id, actor })),
      saveKeyUses: (uses) => guarded(() => keyUses.submit(uses)),
      sessions: () => guarded(sessionReader(db)),
      addSession: (session) => guarded(() => sessions.submit({ kind: 'add', session })),
      endSessions: (digests) => guarded(() => sessions.submit({ kind: 'end', digests })),
      backup: async (path, signal) => {
        try {
          await copyDatabase(options.path, path, AbortSignal.any([signal, closing.signal]))
        } catch (error) {
          throw new StoreUnavailableError(`the copy cannot be made: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
        }
      },
      checkWritable: () =>
        guarded(() => {
          const at = new Date(options.clock.now()).toISOString()
          db.insert(writeProbe).values({ one: 1, at }).onConflictDoUpdate({ target: writeProbe.one, set: { at } }).run()
        }),
      [Symbol.asyncDispose]: async () => {
        closing.abort(new Error('the store is closed'))
        sqlite.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw cannotOpen(options.path, error)
  }
}
