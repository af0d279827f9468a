import type { Presence, Sign } from '#lib/distribution/followers.ts'
import type { Drop } from '#lib/distribution/key-connections.ts'
import { maySpeakFor } from '#lib/distribution/ownership.ts'
import { mustRegister } from '#lib/distribution/watch.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { AgentRecord, HeldConnection } from './record.ts'
import type { Roster } from './roster.ts'
import type { StateWriter } from './state-writer.ts'
import { Strangers } from './strangers.ts'

/** Whether a relay said that it holds a connection of an agent, and has not started anew since. */
const isHeldByRelay = ({ session }: AgentRecord): boolean => session !== undefined && session.endedAt === undefined

/** What is to be done when a connection is over that did not count. */
const nothing = (): void => {}

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
    if (record !== undefined && maySpeakFor(record.owner, sign.caller)) this.#heard(record, sign)
  }

  attach(sign: Sign, drop: Drop): () => void {
    const { agentId, via, caller } = sign
    const record = this.#roster.get(agentId)
    const connection: HeldConnection = { caller, drop }
    if (record === undefined) this.#strangers.add(agentId, connection, sign)
    else if (!maySpeakFor(record.owner, caller)) return nothing
    else {
      this.#heard(record, sign)
      // One whose connection is held here follows no relay.
      if (record.relayId !== undefined) this.move(record, undefined)
      record.via = via
      record.held = [...record.held, connection]
    }
    return () => this.#detach(agentId, connection)
  }

  /** An agent was registered: the connections that it opened before are its own now. */
  arrived(record: AgentRecord): void {
    this.#strangers.adopt(record)
  }

  /** An agent is another's from now on: the connections of those who may not speak for it any more do not keep it online. */
  changedHands(record: AgentRecord): void {
    record.held = record.held.filter(({ caller }) => maySpeakFor(record.owner, caller))
  }

  /** An agent was deleted: ends its connections. They are strangers' until they are closed. */
  dismissed(record: AgentRecord): void {
    const said = { via: record.via ?? 'stream', heldVersion: record.heldVersion ?? undefined }
    for (const connection of record.held) this.#strangers.add(record.id, connection, said)
    for (const { drop } of record.held) drop(mustRegister())
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

  #detach(agentId: string, connection: HeldConnection): void {
    const record = this.#roster.get(agentId)
    if (record === undefined) {
      this.#strangers.leave(agentId, connection)
      return
    }
    if (!record.held.includes(connection)) return
    record.held = record.held.filter((one) => one !== connection)
    record.lastSeen = this.#clock.monotonic()
  }
}
