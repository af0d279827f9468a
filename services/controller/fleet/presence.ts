import type { Presence, Sign } from '#lib/distribution/followers.ts'
import { maySpeakFor } from '#lib/distribution/ownership.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { AgentRecord } from './record.ts'
import type { Roster } from './roster.ts'
import type { StateWriter } from './state-writer.ts'
import { Strangers } from './strangers.ts'

/** Whether a relay said that it holds a connection of an agent, and has not started anew since. */
const isHeldByRelay = ({ session }: AgentRecord): boolean => session !== undefined && session.endedAt === undefined

/** What the reading routes tell of agents: a look into a map and a few fields, since whole fleets ask. */
export class FleetPresence implements Presence {
  readonly #roster: Pick<Roster, 'get'>
  readonly #writer: Pick<StateWriter, 'changed'>
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #strangers = new Strangers()

  constructor(options: { readonly roster: Pick<Roster, 'get'>; readonly writer: Pick<StateWriter, 'changed'>; readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#roster = options.roster
    this.#writer = options.writer
    this.#clock = options.clock
  }

  seen(sign: Sign): void {
    const record = this.#roster.get(sign.agentId)
    if (record !== undefined && maySpeakFor(sign.caller, record.owner)) this.#heard(record, sign)
  }

  attach(sign: Sign, drop?: () => void): () => void {
    const { agentId, via, heldVersion } = sign
    const record = this.#roster.get(agentId)
    // Another's key says nothing of this agent.
    if (record !== undefined && !maySpeakFor(sign.caller, record.owner)) return () => {}
    if (record === undefined) this.#strangers.add(agentId, { connections: 1, drops: drop ? [drop] : [], via, heldVersion: heldVersion || null })
    else {
      this.#heard(record, sign)
      // One whose connection is held here follows no relay.
      if (record.relayId !== undefined) this.move(record, undefined)
      record.via = via
      record.connections++
      if (drop) record.drops = [...record.drops, drop]
    }
    return () => this.#detach(agentId, drop)
  }

  /** An agent was registered: the connections that it opened before are its own now. */
  arrived(record: AgentRecord): void {
    this.#strangers.adopt(record)
  }

  /** An agent was deleted: ends those of its connections that can be ended. The others end by themselves. */
  dismissed(record: AgentRecord): void {
    if (record.connections > 0) this.#strangers.add(record.id, record)
    for (const drop of record.drops) drop()
  }

  /** Notes below which relay an agent is; undefined: below none. */
  move(record: AgentRecord, relayId: string | undefined): void {
    record.relayId = relayId
    record.session = undefined
    this.#writer.changed(record)
  }

  /**
   * Somebody has asked in an agent's name. That an agent is here and below no relay does not follow where a relay holds
   * its connection: a plain read may be anybody's, to see what it would get.
   */
  #heard(record: AgentRecord, { heldVersion, via }: Sign): void {
    record.lastSeen = this.#clock.monotonic()
    // A plain read beside a held connection does not say that it follows by polling.
    if (record.connections === 0 && !isHeldByRelay(record)) {
      record.via = via
      if (record.relayId !== undefined) this.move(record, undefined)
    }
    // 0 is what agents say before their first config.
    const held = heldVersion === 0 ? null : heldVersion
    if (held === undefined || held === record.heldVersion) return
    record.heldVersion = held
    this.#writer.changed(record)
  }

  #detach(agentId: string, drop: (() => void) | undefined): void {
    const record = this.#roster.get(agentId)
    if (record === undefined) {
      this.#strangers.leave(agentId, drop)
      return
    }
    record.connections--
    record.lastSeen = this.#clock.monotonic()
    if (drop) record.drops = record.drops.filter((one) => one !== drop)
  }
}
