import type { RegisterRequest } from '#lib/contract/agent.ts'
import type { Batch, BatchAccepted, Report } from '#lib/contract/fleet.ts'
import type { Timeline } from '#lib/contract/fleet-picture.ts'
import type { FleetStatus } from '#lib/contract/fleet-status.ts'
import { type AgentDetail, type AgentHistory, type AgentsPage, type AgentsQuery, MAX_AGENT_HISTORY } from '#lib/contract/inventory.ts'
import { shownOutcome } from '#lib/contract/outcome.ts'
import type { ConfigFeed } from '#lib/distribution/feed.ts'
import type { Presence, Roll, Sign } from '#lib/distribution/followers.ts'
import type { Drop } from '#lib/distribution/key-connections.ts'
import { maySpeakFor, notItsOwner, type Owner } from '#lib/distribution/ownership.ts'
import { parentOf } from '#lib/distribution/relay-path.ts'
import type { Caller } from '#lib/http/caller.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Distribution } from '#lib/observe/metrics/distribution.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Actor, Store } from '#lib/store/port.ts'
import { storeAnswers } from '../store-errors.ts'
import { Convergence } from './convergence.ts'
import { Enrolment } from './enrolment.ts'
import { Liveness } from './liveness.ts'
import { readPage } from './page.ts'
import { type FleetPicture, fleetPicture } from './picture.ts'
import { FleetPresence } from './presence.ts'
import type { AgentRecord } from './record.ts'
import { RelayBatches } from './relay-batches.ts'
import { RelaySessions } from './relay-sessions.ts'
import { Roster } from './roster.ts'
import { Passes } from './slices.ts'
import { StateWriter } from './state-writer.ts'
import { fleetStatus } from './status.ts'
import { recordOf } from './stored.ts'
import type { ConvergenceTimeline } from './timeline.ts'
import { restoredTimeline } from './timeline-stored.ts'
import { agentView, madeOf } from './view.ts'

/** What a fleet stands on. */
export interface FleetParts {
  readonly store: Store
  readonly feed: ConfigFeed
  readonly clock: Clock
  readonly logger: Logger
  /** Whether there are keys of a name still that may register agents. */
  readonly ownsAgents: (name: string) => boolean
  /** Told of each agent that has applied the latest version: how long after the publish, in seconds. */
  readonly propagation?: Pick<Distribution, 'observe'>
}

/** How soon after a publish the whole fleet is counted, in ms, when ten thousand have it: at most so often, however often is published. */
const LOOK_AFTER_MS = 1000

/** The agents of this controller: all of them in memory, so that a request of one touches no database. */
export class Fleet implements Presence, Roll {
  readonly #store: Store
  readonly #feed: ConfigFeed
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #roster: Roster
  readonly #sessions: RelaySessions
  readonly #liveness: Liveness
  readonly #convergence: Convergence
  readonly #writer: StateWriter
  readonly #presence: FleetPresence
  readonly #enrolment: Enrolment
  readonly #batches: RelayBatches
  readonly #passes: Passes
  readonly #propagation: Pick<Distribution, 'observe'> | undefined
  readonly #timeline: ConvergenceTimeline
  #looking: NodeJS.Timeout | undefined
  /** The fleet at a glance, at most a quarter of a second old. */
  readonly status: () => Promise<FleetStatus>
  /** Its relays, and what is wrong, at most a quarter of a second old. */
  readonly picture: () => Promise<FleetPicture>

  private constructor(parts: FleetParts, roster: Roster, sessions: RelaySessions, timeline: ConvergenceTimeline) {
    this.#store = parts.store
    this.#feed = parts.feed
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#propagation = parts.propagation
    this.#roster = roster
    this.#sessions = sessions
    this.#liveness = new Liveness({ ...parts, roster })
    this.#passes = new Passes(parts.clock)
    const inner = { ...parts, roster, sessions, liveness: this.#liveness, passes: this.#passes }
    this.#convergence = new Convergence(inner)
    this.#writer = new StateWriter(inner)
    this.#presence = new FleetPresence({ ...inner, writer: this.#writer })
    this.#enrolment = new Enrolment({ ...inner, presence: this.#presence })
    this.#batches = new RelayBatches({
      ...inner,
      writer: this.#writer,
      enrolment: this.#enrolment,
      report: (record, report) => this.#take(record, report),
    })
    this.#timeline = timeline
    this.status = fleetStatus({ ...inner, convergence: this.#convergence, timeline })
    this.picture = fleetPicture(inner)
  }

  /**
   * The fleet as it was stored.
   * @throws StoreUnavailableError
   */
  static async open(parts: FleetParts): Promise<Fleet> {
    const entries = await parts.store.agents()
    const sessions: RelaySessions = new RelaySessions((relayId) => roster.get(relayId) !== undefined)
    const roster = new Roster(entries.map((entry) => recordOf(entry, sessions, parts.clock)))
    return new Fleet(parts, roster, sessions, await restoredTimeline(parts, roster))
  }

  seen(sign: Sign): void {
    this.#presence.seen(sign)
  }

  attach(sign: Sign, drop: Drop): () => void {
    return this.#presence.attach(sign, drop)
  }

  async register(agentId: string, request: RegisterRequest, path: readonly string[], claim: Owner): Promise<void> {
    const { record, news } = await this.#enrolment.take(agentId, request, claim)
    const relayId = parentOf(agentId, path)
    record.heardAt(this.#clock.monotonic())
    if (relayId !== record.relayId && record.connections === 0) this.#presence.move(record, relayId)
    if (news) this.#logger.info('http', `${news} an agent`, { agent_id: agentId, hostname: request.hostname, ...(relayId ? { relay_id: relayId } : {}) })
  }

  async report(agentId: string, report: Report, caller: Caller): Promise<boolean> {
    const record = this.#roster.get(agentId)
    if (record === undefined) return false
    if (!maySpeakFor(record.owner, caller)) throw notItsOwner('report', agentId)
    this.#take(record, report)
    return true
  }

  async batch(relayId: string | undefined, batch: Batch, caller: Caller): Promise<BatchAccepted> {
    const relay = relayId === undefined ? undefined : this.#roster.get(relayId)
    if (relay !== undefined && !maySpeakFor(relay.owner, caller)) throw notItsOwner('report for the agents below a relay', relay.id)
    return this.#batches.take(relayId, batch)
  }

  /** An agent of the inventory. */
  agent(agentId: string): AgentDetail | undefined {
    const record = this.#roster.get(agentId)
    if (record === undefined) return undefined
    const hits = [...(record.hits ?? [])].sort((a, b) => b.version - a.version).map(shownOutcome)
    return { ...agentView(record, this.#liveness.look(), this.#liveness, this.#clock), owner: record.owner, hits }
  }

  /**
   * What an agent made of the newest versions; undefined where it is not known.
   * @throws ApiError STORE_UNAVAILABLE
   */
  async history(agentId: string): Promise<AgentHistory | undefined> {
    const record = this.#roster.get(agentId)
    if (record === undefined) return undefined
    const unsaved = [...record.unsavedReports.values()]
    const saved = await storeAnswers('read the history of the agent', () => this.#store.agentReports(agentId))
    const all = new Map([...saved, ...unsaved].map((report) => [report.version, report]))
    const newest = [...all.values()].sort((a, b) => b.version - a.version).slice(0, MAX_AGENT_HISTORY)
    return {
      reports: newest.map(({ version, state, error, at }) => ({ version, state, ...(error === undefined ? {} : { error }), at: new Date(at).toISOString() })),
    }
  }

  /** How the last publish came to the fleet. */
  timeline(): Timeline {
    return this.#timeline.shown
  }

  /**
   * A page of the inventory.
   * @throws ApiError INVALID_REQUEST for a cursor that is none
   */
  page(query: AgentsQuery): Promise<AgentsPage> {
    return readPage(query, { roster: this.#roster, liveness: this.#liveness, passes: this.#passes, clock: this.#clock })
  }

  /**
   * Forgets an agent and ends its streams, so that one that is still there registers again.
   * @returns false where it is not known
   * @throws ApiError STORE_UNAVAILABLE
   */
  async remove(agentId: string, actor: Actor): Promise<boolean> {
    if (this.#roster.get(agentId) === undefined) return false
    const head = await storeAnswers('delete the agent', () => this.#store.deleteAgent(agentId, actor))
    const record = this.#roster.get(agentId)
    if (record === undefined) return true
    this.#roster.remove(record)
    this.#sessions.forget(agentId, this.#clock.monotonic())
    this.#presence.dismissed(record)
    this.#logger.info('http', 'deleted an agent', {
      agent_id: agentId,
      hostname: record.registration.hostname,
      ...(head ? { audit_seq: head.seq, audit_hash: head.hash } : {}),
    })
    return true
  }

  /** Notes that a version was stored and is about to be announced. */
  published(version: number): void {
    this.#liveness.beforePublish()
    this.#convergence.published(version)
    this.#timeline.begin(version, this.#clock.now())
    this.#lookSoon()
  }

  /** Saves what is not saved yet, and ends; the store must still be open. */
  async close(): Promise<void> {
    this.#convergence.close()
    clearTimeout(this.#looking)
    await this.#writer.close()
  }

  /** Counts the whole fleet soon: what a publish begins with, and who is offline, no report tells. */
  #lookSoon(): void {
    this.#looking ??= setTimeout(() => {
      this.#looking = undefined
      // One that is refused, since the controller stops, has nothing to tell.
      this.status().catch(() => {})
    }, LOOK_AFTER_MS).unref()
  }

  #take(record: AgentRecord, report: Report): void {
    const now = this.#clock.monotonic()
    const latest = this.#feed.current?.version ?? null
    const before = record.appliedVersion
    const made = record.reports ? madeOf(record, report.version) : undefined
    if (!record.take(report, now, latest, this.#clock.now())) return
    this.#timeline.moved(report.version, made, report.state, now)
    if (report.state === 'applied') {
      this.#convergence.applied(report.version, now)
      const publishedAt = this.#convergence.publishedAt(report.version)
      if (before !== report.version && publishedAt !== undefined) this.#propagation?.observe((now - publishedAt) / 1000)
    }
    this.#writer.changed(record)
  }
}
