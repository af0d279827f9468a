import type { Batch, BatchAccepted, BatchedAgent } from '#lib/contract/fleet.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { placeBelow } from './batch.ts'
import type { Enrolment } from './enrolment.ts'
import { MAX_HOPS } from './liveness.ts'
import type { AgentRecord } from './record.ts'
import type { RelaySessions } from './relay-sessions.ts'
import type { Roster } from './roster.ts'
import type { StateWriter } from './state-writer.ts'

/** What batches are taken into. */
export interface BatchParts {
  readonly roster: Roster
  readonly sessions: RelaySessions
  readonly enrolment: Enrolment
  readonly writer: Pick<StateWriter, 'changed'>
  readonly clock: Pick<Clock, 'monotonic'>
  readonly logger: Logger
  /** Takes the report of one agent. */
  readonly report: (record: AgentRecord, report: NonNullable<BatchedAgent['report']>) => void
}

/** Those that are, and those that are not. */
function parted<T>(all: readonly T[], is: (one: T) => boolean): readonly [T[], T[]] {
  const [yes, no]: [T[], T[]] = [[], []]
  for (const one of all) (is(one) ? yes : no).push(one)
  return [yes, no]
}

/** Takes what relays say of the agents below them. */
export class RelayBatches {
  readonly #parts: BatchParts

  constructor(parts: BatchParts) {
    this.#parts = parts
  }

  /**
   * Takes a batch; nothing of agents that belong to another than their `owner`.
   * @param relayId of the relay that sends it
   * @throws ApiError STORE_UNAVAILABLE where nothing of it could be taken
   */
  async take(relayId: string | undefined, { sessions, agents }: Batch): Promise<BatchAccepted> {
    const { roster, enrolment, logger } = this.#parts
    if (relayId !== undefined) roster.get(relayId)?.heardAt(this.#parts.clock.monotonic())
    const [others, its] = parted(agents, ({ agent_id, owner }) => enrolment.isAnothers(agent_id, owner))
    if (others.length > 0)
      logger.warn('http', 'agents below a relay are spoken for by keys that are not their owners’: nothing is taken of them', {
        relay_id: relayId,
        agents: others.length,
        first: others[0]?.agent_id,
      })
    const { accepted, unknown } = await this.#takeIts(relayId, sessions ?? {}, its)
    return { accepted, unknown, ...(others.length > 0 ? { not_permitted: others.map(({ agent_id }) => agent_id) } : {}) }
  }

  async #takeIts(relayId: string | undefined, sessions: NonNullable<Batch['sessions']>, agents: readonly BatchedAgent[]): Promise<BatchAccepted> {
    const { roster, enrolment, logger } = this.#parts
    const known = new Set(agents.flatMap(({ agent_id }) => (roster.get(agent_id) ? [agent_id] : [])))
    // All at once: the store takes those that are new in one transaction.
    const enrolled = await Promise.allSettled(
      agents.map(({ agent_id, registration, owner = null }) => registration && enrolment.take(agent_id, registration, owner)),
    )
    const place = (item: BatchedAgent) => this.#place(item, item.relay_id ?? relayId, !known.has(item.agent_id))
    // Where a relay is decides whose word of it counts. It is placed again below: its own relay may be in a new session.
    for (const item of agents) if (Object.hasOwn(sessions, item.agent_id)) place(item)
    this.#enter(relayId, sessions)
    const unknown = new Set<string>()
    for (const [i, item] of agents.entries()) {
      const record = place(item)
      if (record !== undefined && item.report) this.#parts.report(record, item.report)
      // One whose registration was not stored is named too: its relay sends it again, and holds nothing else up for it.
      if (record === undefined || enrolled[i]?.status === 'rejected') unknown.add(item.agent_id)
    }
    const refused = enrolled.find((one) => one.status === 'rejected')
    if (refused && unknown.size === agents.length) throw refused.reason
    if (refused) logger.warn('http', 'not all registrations below a relay were stored; it sends them again', { relay_id: relayId, err: refused.reason })
    const registered = enrolled.filter((one) => one.status === 'fulfilled' && one.value?.news).length
    if (registered > 0) logger.info('http', 'registered agents below a relay', { agents: registered, relay_id: relayId })
    return { accepted: agents.filter(({ agent_id }) => !unknown.has(agent_id)).length, unknown: [...unknown] }
  }

  /** Notes where an agent is, and gives it; undefined where it is not known. */
  #place(item: BatchedAgent, relayId: string | undefined, isNew: boolean): AgentRecord | undefined {
    const { roster, sessions, writer, clock } = this.#parts
    const record = roster.get(item.agent_id)
    if (record !== undefined && placeBelow(record, item, relayId, sessions, isNew, clock.monotonic())) writer.changed(record)
    return record
  }

  /** Takes the sessions that the sender may speak of. */
  #enter(senderId: string | undefined, sessions: Readonly<Record<string, string>>): void {
    const now = this.#parts.clock.monotonic()
    for (const [relayId, session] of Object.entries(sessions)) if (this.#speaksFor(senderId, relayId)) this.#parts.sessions.enter(relayId, session, now)
  }

  /** Whether a sender is a relay itself, or one of those above it; one that it has moved away from knows only its past. */
  #speaksFor(senderId: string | undefined, relayId: string): boolean {
    if (senderId === undefined) return false
    let above: string | undefined = relayId
    for (let hops = 0; above !== undefined && hops <= MAX_HOPS; hops++) {
      if (above === senderId) return true
      above = this.#parts.roster.get(above)?.relayId
    }
    return false
  }
}
