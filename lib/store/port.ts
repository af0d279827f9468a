import type { FollowMode } from '../contract/agent.ts'
import type { AuditAction, AuditEntry } from '../contract/audit.ts'
import type { Config } from '../contract/config.ts'
import type { StoredSchema } from '../contract/config-schema.ts'
import type { Report, ReportState } from '../contract/fleet.ts'
import type { HistoryEntry } from '../contract/history.ts'
import type { Role } from '../contract/keys.ts'

/** A config as it is stored. */
export type StoredConfig = Required<Pick<Config, 'id' | 'version' | 'data' | 'poll_interval_seconds' | 'created_at'>> &
  Pick<Config, 'request_id' | 'traceparent'>

/** Who makes a change, as the audit tells of it. */
export interface Actor {
  /** The id and the name of the key. */
  readonly key_id: string
  readonly name: string
  /** Where the request came from. */
  readonly address: string
  readonly request_id: string
}

/** The newest entry of the audit: it stands for all before it. */
export interface AuditHead {
  /** 0 where there is none. */
  readonly seq: number
  readonly hash: string
}

/** Which entries of the audit are wanted: those that meet all of it. */
export interface AuditFilter {
  readonly action?: AuditAction | undefined
  /** The name of the key. */
  readonly actor?: string | undefined
  /** Times as the entries have them: from this one on, and before that one. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/** A part of the audit, the newest entry first. */
export interface AuditSlice {
  readonly entries: readonly AuditEntry[]
  /** `before` of the part that follows; undefined where all was looked at. */
  readonly next: number | undefined
  readonly head: AuditHead
  readonly written: number
}

/** How a publish is known again when it is repeated. */
export interface Idempotency {
  /** The header. */
  readonly key: string
  /** A digest of the request: the same key with another is refused. */
  readonly fingerprint: string
}

/** What a publish brings. */
export interface NewConfig {
  readonly data: Readonly<Record<string, unknown>>
  readonly poll_interval_seconds: number
  readonly comment?: string
  readonly author?: string
  /** Decides, by the latest version (0 where there is none), whether the publish may go on; absent: it may. */
  readonly allowed?: (latest: number) => boolean
  /** The version whose content it brings back; absent: it is no rollback. */
  readonly rollback_of?: number
  /** W3C `traceparent` of the request. */
  readonly traceparent?: string
  /** Looked up before `allowed` is asked: a repeat gives the first answer. */
  readonly idempotency?: Idempotency
  /** The schema by which it was found good, as {@link ConfigSchemaInForce.revision}; another in force refuses it. Absent: it is not asked. */
  readonly schema_revision?: number
}

/** What became of a publish. */
export type Published =
  | { readonly config: StoredConfig; readonly repeated: false; readonly head: AuditHead }
  /** It was stored before, for the same Idempotency-Key: nothing is new. */
  | { readonly config: StoredConfig; readonly repeated: true }

/** A page of the history. */
export interface History {
  readonly entries: readonly HistoryEntry[]
  /** Whether there are others below the last of them. */
  readonly more: boolean
}

/** The config schema in force; revision 0 where there has never been one. */
export interface ConfigSchemaInForce {
  /** Counts the changes of the schema. */
  readonly revision: number
  readonly stored: StoredSchema | undefined
}

/** A key as it is stored: its digest, never itself. */
export interface StoredKey {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly prefix: string
  /** SHA-256 of the key, hex. */
  readonly digest: string
  readonly created_at: string
  readonly expires_at: string | null
  readonly last_used_at: string | null
}

/** A registration as it is stored. */
export interface NewAgent {
  readonly agent_id: string
  readonly instance_id?: string
  readonly hostname: string
  readonly ip_address: string
  readonly port: number
  readonly labels?: Readonly<Record<string, string>>
  readonly agent_version?: string
  /** The name of the keys that it belongs to; absent: what was stored stays, null: to nobody. */
  readonly owner?: string | null
}

/** A session of the console: digests of what its holder has, never that itself. */
export interface ConsoleSession {
  /** Of the cookie's secret: SHA-256, hex. */
  readonly digest: string
  /** Of the key that it was begun with, as {@link StoredKey} has it. */
  readonly key_digest: string
  readonly csrf: string
  /** Wall time, ms since the epoch. */
  readonly expires_at: number
}

/** An agent that registered. */
export interface StoredAgent extends NewAgent {
  readonly owner: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly registered_at: string
  readonly updated_at: string
}

/** What the controller last knew of an agent, beside its registration. */
export interface AgentState {
  readonly agent_id: string
  /** How it followed; null where it is not known. */
  readonly via: FollowMode | null
  readonly held_version: number | null
  readonly applied_version: number | null
  /** Its last report. */
  readonly report: Report | null
  /** The relay that it followed. */
  readonly relay_id: string | null
  /** The session in which its relay held a connection of it; null where none was held. */
  readonly relay_session: string | null
  /** Wall time, ms since the epoch. */
  readonly last_seen_at: number
}

/** A state to be saved, with what the agent reported since it was saved last. */
export interface AgentStateChange extends AgentState {
  readonly reports?: readonly AgentReport[]
}

/** What an agent made of a version: its last report on it. */
export interface AgentReport {
  readonly version: number
  readonly state: ReportState
  readonly error?: string | undefined
  /** Wall time, ms since the epoch. */
  readonly at: number
}

/** An agent of the inventory, with its state where one was ever saved. */
export interface InventoryEntry {
  readonly agent: StoredAgent
  readonly state: AgentState | undefined
}

/** `allowed` said no: somebody published in between. */
export class VersionConflictError extends Error {
  override readonly name = 'VersionConflictError'
  /** The latest version, 0 where there is none. */
  readonly latest: number
  constructor(latest: number) {
    super(`the latest version is ${latest}`)
    this.latest = latest
  }
}

/** The Idempotency-Key was used for another request. */
export class IdempotencyKeyReusedError extends Error {
  override readonly name = 'IdempotencyKeyReusedError'
  /** The version that was published with it. */
  readonly version: number
  constructor(version: number) {
    super(`it was used to publish version ${version}`)
    this.version = version
  }
}

/** The config schema was changed while a config was checked by the one before. */
export class SchemaChangedError extends Error {
  override readonly name = 'SchemaChangedError'
}

/** The store cannot be read or written (a full disk, a damaged file); nothing was changed. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError'
}

/**
 * What the controller keeps. Every method is one step that happens whole or not at all; a resolved promise
 * means that it is synced to the disk. All reject with {@link StoreUnavailableError} where the store is away.
 */
export interface Store extends AsyncDisposable {
  /**
   * Appends a config as the next version: versions run from 1 without gaps, whoever publishes at once. Its entry in the
   * audit, and its Idempotency-Key, are stored with it or not at all.
   * @throws VersionConflictError where `allowed` refuses the latest version; IdempotencyKeyReusedError; SchemaChangedError
   */
  publish(config: NewConfig, actor: Actor): Promise<Published>
  /**
   * What was published with an Idempotency-Key less than a day ago; undefined where nothing was.
   * @param keyId of the API key that it came with
   * @throws IdempotencyKeyReusedError
   */
  publishedWith(keyId: string, idempotency: Idempotency): Promise<StoredConfig | undefined>
  /** The config of the highest version. */
  latest(): Promise<StoredConfig | undefined>
  /** The config of one version. */
  byVersion(version: number): Promise<StoredConfig | undefined>
  /**
   * Versions from the newest down; with data fewer than `limit` where they are large, and one at least.
   * @param options.before only those below
   */
  history(options: { readonly before?: number; readonly limit: number; readonly data: boolean }): Promise<History>
  /** The config schema in force. */
  schema(): Promise<ConfigSchemaInForce>
  /**
   * Puts a config schema in force, or none.
   * @throws SchemaChangedError where another revision is in force than the one it is to follow; VersionConflictError where
   *   the latest version is another than the one it was tried on
   */
  setSchema(
    schema: Readonly<Record<string, unknown>> | undefined,
    follows: { readonly revision: number; readonly latest: number },
    actor: Actor,
    comment: string | undefined,
  ): Promise<{ readonly head: AuditHead; readonly inForce: ConfigSchemaInForce }>
  /**
   * Entries of the audit from the newest down, with the newest of all and how many were ever written. With a filter it looks
   * at so many entries at most, and may give fewer than `limit`, or none, where others follow.
   * @param options.before only those below
   */
  audit(options: { readonly before?: number; readonly limit: number; readonly filter?: AuditFilter }): Promise<AuditSlice>
  /** All keys that were not revoked. */
  keys(): Promise<readonly StoredKey[]>
  /** Adds a key. */
  addKey(key: StoredKey, actor: Actor): Promise<AuditHead>
  /** Revokes a key; undefined where there is none of that id. */
  revokeKey(id: string, actor: Actor): Promise<AuditHead | undefined>
  /** Notes when keys were last used; one that is not (or no longer) there is left out. */
  saveKeyUses(uses: readonly { readonly id: string; readonly last_used_at: string }[]): Promise<void>
  /** All sessions of the console, the oldest first; some may be over. */
  sessions(): Promise<readonly ConsoleSession[]>
  addSession(session: ConsoleSession): Promise<void>
  /** Ends sessions, by their digests; one that is not there is left out. */
  endSessions(digests: readonly string[]): Promise<void>
  /** Inserts an agent or brings its row up to date, and gives it; writes nothing where nothing changed. */
  registerAgent(agent: NewAgent): Promise<StoredAgent>
  /** All agents with their states, in no order. */
  agents(): Promise<readonly InventoryEntry[]>
  /** Saves the states of agents, all or none; one whose agent is not (or no longer) there is left out. */
  saveAgentStates(states: readonly AgentStateChange[]): Promise<void>
  /** What an agent made of the newest versions, the newest version first. */
  agentReports(agentId: string): Promise<readonly AgentReport[]>
  /** What each agent made of a version, in the order of the reports. */
  reportsOn(version: number): Promise<readonly (AgentReport & { readonly agent_id: string })[]>
  /**
   * Forgets an agent and its state.
   * @returns the audit's head; undefined where it was not there
   */
  deleteAgent(agentId: string, actor: Actor): Promise<AuditHead | undefined>
  /**
   * Writes a copy of all of it, as it is when this is called, to a file while everything goes on (SQLite's online backup).
   * @param path of a file that is empty, or not there yet
   * @param signal ends it; what was written stays
   */
  backup(path: string, signal: AbortSignal): Promise<void>
  /** Resolves where a write goes through at this moment. */
  checkWritable(): Promise<void>
}
