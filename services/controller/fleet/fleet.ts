import type { RegisterRequest } from '#lib/contract/agent.ts'
import type { Agent, AgentsPage, AgentsQuery, Batch, BatchAccepted, BatchedAgent, FleetStatus, Report } from '#lib/contract/fleet.ts'
import type { ConfigFeed } from '#lib/distribution/feed.ts'
import type { Presence, Roll, Sign } from '#lib/distribution/followers.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Store } from '#lib/store/port.ts'
import { storeAnswers } from '../store-errors.ts'
import { placeBelow } from './batch.ts'
import { Convergence } from './convergence.ts'
import { Enrolment } from './enrolment.ts'
import { Liveness } from './liveness.ts'
import { readPage } from './page.ts'
import { FleetPresence } from './presence.ts'
import type { AgentRecord } from './record.ts'
import { RelaySessions } from './relay-sessions.ts'
import { Roster } from './roster.ts'
import { StateWriter } from './state-writer.ts'
import { fleetStatus } from './status.ts'
import { recordOf } from './stored.ts'
import { agentView } from './view.ts'

/** What a fleet stands on. */
export interface FleetParts {
  readonly store: Store
  readonly feed: ConfigFeed
  readonly clock: Clock
  readonly logger: Logger
}

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
  /** The fleet at a glance, at most a quarter of a second old. */
  readonly status: () => Promise<FleetStatus>

  private constructor(parts: FleetParts, roster: Roster, sessions: RelaySessions) {
    this.#store = parts.store
    this.#feed = parts.feed
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#roster = roster
    this.#sessions = sessions
    this.#liveness = new Liveness({ ...parts, roster })
    const inner = { ...parts, roster, liveness: this.#liveness }
    this.#convergence = new Convergence(inner)
    this.#writer = new StateWriter(inner)
    this.#presence = new FleetPresence({ ...inner, writer: this.#writer })
    this.#enrolment = new Enrolment({ ...inner, presence: this.#presence })
    this.status = fleetStatus({ ...inner, convergence: this.#convergence })
  }

  /**
   * The fleet as it was stored.
   * @throws StoreUnavailableError
   */
  static async open(parts: FleetParts): Promise<Fleet> {
    const sessions = new RelaySessions()
    const entries = await parts.store.agents()
    return new Fleet(parts, new Roster(entries.map((entry) => recordOf(entry, sessions, parts.clock))), sessions)
  }

  seen(sign: Sign): void {
    this.#presence.seen(sign)
  }

  attach(sign: Sign, drop?: () => void): () => void {
    return this.#presence.attach(sign, drop)
  }

  async register(agentId: string, request: RegisterRequest, path: readonly string[]): Promise<void> {
    const { record, news } = await this.#enrolment.take(agentId, request)
    const [relayId] = path
    record.heardAt(this.#clock.monotonic())
    if (relayId !== record.relayId && record.connections === 0) this.#presence.move(record, relayId)
    if (news) this.#logger.info('http', `${news} an agent`, { agent_id: agentId, hostname: request.hostname, ...(relayId ? { relay_id: relayId } : {}) })
  }

  async report(agentId: string, report: Report): Promise<boolean> {
    const record = this.#roster.get(agentId)
    if (record) this.#take(record, report)
    return record !== undefined
  }

  async batch(relayId: string | undefined, { sessions = {}, agents }: Batch): Promise<BatchAccepted> {
    const now = this.#clock.monotonic()
    if (relayId !== undefined) this.#roster.get(relayId)?.heardAt(now)
    for (const [id, session] of Object.entries(sessions)) this.#sessions.enter(id, session, now)
    const known = new Set(agents.flatMap(({ agent_id }) => (this.#roster.get(agent_id) ? [agent_id] : [])))
    // All at once: the store takes those that are new in one transaction.
    const enrolled = await Promise.allSettled(agents.map(({ agent_id, registration }) => registration && this.#enrolment.take(agent_id, registration)))
    const unknown = new Set<string>()
    for (const [i, item] of agents.entries()) {
      // One whose registration was not stored is named too: its relay sends it again, and holds nothing else up for it.
      if (enrolled[i]?.status === 'rejected') unknown.add(item.agent_id)
      if (!this.#takeItem(item, item.relay_id ?? relayId, !known.has(item.agent_id))) unknown.add(item.agent_id)
    }
    const refused = enrolled.find((one) => one.status === 'rejected')
    if (refused && unknown.size === agents.length) throw refused.reason
    if (refused) this.#logger.warn('http', 'not all registrations below a relay were stored; it sends them again', { relay_id: relayId, err: refused.reason })
    const registered = enrolled.filter((one) => one.status === 'fulfilled' && one.value?.news).length
    if (registered > 0) this.#logger.info('http', 'registered agents below a relay', { agents: registered, relay_id: relayId })
    return { accepted: agents.filter(({ agent_id }) => !unknown.has(agent_id)).length, unknown: [...unknown] }
  }

  /** An agent of the inventory. */
  agent(agentId: string): Agent | undefined {
    const record = this.#roster.get(agentId)
    return record && agentView(record, this.#liveness.look(), this.#liveness, this.#clock)
  }

  /**
   * A page of the inventory.
   * @throws ApiError INVALID_REQUEST for a cursor that is none
   */
  page(query: AgentsQuery): Promise<AgentsPage> {
    return readPage(query, { roster: this.#roster, liveness: this.#liveness, clock: this.#clock })
  }

  /**
   * Forgets an agent and ends its streams, so that one that is still there registers again.
   * @returns false where it is not known
   * @throws ApiError STORE_UNAVAILABLE
   */
  async remove(agentId: string): Promise<boolean> {
    if (this.#roster.get(agentId) === undefined) return false
    await storeAnswers('delete the agent', () => this.#store.deleteAgent(agentId))
    const record = this.#roster.get(agentId)
    if (record === undefined) return true
    this.#roster.remove(record)
    this.#presence.dismissed(record)
    this.#logger.info('http', 'deleted an agent', { agent_id: agentId, hostname: record.registration.hostname })
    return true
  }

  /** Notes that a version was stored and is about to be announced. */
  published(version: number): void {
    this.#liveness.beforePublish()
    this.#convergence.published(version)
  }

  /** Saves what is not saved yet, and ends; the store must still be open. */
  async close(): Promise<void> {
    this.#convergence.close()
    await this.#writer.close()
  }

  /** Takes one agent of a batch; false where it is not known. */
  #takeItem(item: BatchedAgent, relayId: string | undefined, isNew: boolean): boolean {
    const record = this.#roster.get(item.agent_id)
    if (record === undefined) return false
    if (placeBelow(record, item, relayId, this.#sessions, isNew, this.#clock.monotonic())) this.#writer.changed(record)
    if (item.report) this.#take(record, item.report)
    return true
  }

  #take(record: AgentRecord, report: Report): void {
    const now = this.#clock.monotonic()
    const latest = this.#feed.current?.version ?? null
    if (!record.take(report, now, latest)) return
    if (report.state === 'applied') this.#convergence.applied(report.version, now)
    this.#writer.changed(record)
  }
}
