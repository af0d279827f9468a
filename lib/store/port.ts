import type { FollowMode } from '../contract/agent.ts'
import type { Config } from '../contract/config.ts'
import type { Report } from '../contract/fleet.ts'

/** A config as it is stored. */
export type StoredConfig = Required<Config>

/** What a publish brings. */
export interface NewConfig {
  readonly data: Readonly<Record<string, unknown>>
  readonly poll_interval_seconds: number
  readonly comment?: string
  readonly author?: string
  /** Decides, by the latest version (0 where there is none), whether the publish may go on; absent: it may. */
  readonly allowed?: (latest: number) => boolean
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
}

/** An agent that registered. */
export interface StoredAgent extends NewAgent {
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
   * Appends a config as the next version: versions run from 1 without gaps, whoever publishes at once.
   * @throws VersionConflictError where `allowed` refuses the latest version
   */
  publish(config: NewConfig): Promise<StoredConfig>
  /** The config of the highest version. */
  latest(): Promise<StoredConfig | undefined>
  /** The config of one version. */
  byVersion(version: number): Promise<StoredConfig | undefined>
  /** Inserts an agent or brings its row up to date, and gives it; writes nothing where nothing changed. */
  registerAgent(agent: NewAgent): Promise<StoredAgent>
  /** All agents with their states, in no order. */
  agents(): Promise<readonly InventoryEntry[]>
  /** Saves the states of agents, all or none; one whose agent is not (or no longer) there is left out. */
  saveAgentStates(states: readonly AgentState[]): Promise<void>
  /**
   * Forgets an agent and its state.
   * @returns whether it was there
   */
  deleteAgent(agentId: string): Promise<boolean>
  /** Resolves where a write goes through at this moment. */
  checkWritable(): Promise<void>
}
