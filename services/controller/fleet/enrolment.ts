import type { RegisterRequest } from '#lib/contract/agent.ts'
import { notItsOwner, type Owner, ownerAfter } from '#lib/distribution/ownership.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Store } from '#lib/store/port.ts'
import { storeAnswers } from '../store-errors.ts'
import type { FleetPresence } from './presence.ts'
import { AgentRecord, isRegisteredAs, registrationOf } from './record.ts'
import type { Roster } from './roster.ts'

/** A registration that was taken: of whom, and what it was; undefined where it said nothing new. */
export interface Enrolled {
  readonly record: AgentRecord
  readonly news: 'registered' | 'updated' | undefined
}

/** Takes registrations into the store and the roster. */
export class Enrolment {
  readonly #store: Pick<Store, 'registerAgent'>
  readonly #roster: Roster
  readonly #presence: FleetPresence
  readonly #ownsAgents: (name: string) => boolean
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #logger: Logger
  /** Registrations on their way to the disk, by agent; they never reject. */
  readonly #running = new Map<string, Promise<void>>()

  constructor(options: {
    readonly store: Pick<Store, 'registerAgent'>
    readonly roster: Roster
    readonly presence: FleetPresence
    /** Whether there are keys of a name still that may register agents. */
    readonly ownsAgents: (name: string) => boolean
    readonly clock: Pick<Clock, 'monotonic'>
    readonly logger: Logger
  }) {
    this.#store = options.store
    this.#roster = options.roster
    this.#presence = options.presence
    this.#ownsAgents = options.ownsAgents
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /**
   * Whether what is said in a name is about an agent of another's.
   * @param name of a key; undefined: nobody's, as an admin speaks
   */
  isAnothers(agentId: string, name: string | undefined): boolean {
    return name !== undefined && ownerAfter(this.#roster.get(agentId)?.owner ?? null, name, this.#ownsAgents) === undefined
  }

  /**
   * Takes a registration. One that says nothing new does not touch the database: after a restart, ten thousand agents
   * register again within seconds, and with a full disk they go on as they were.
   * @param claim in whose name it is registered
   * @throws ApiError NOT_PERMITTED where it is another's; STORE_UNAVAILABLE
   */
  async take(agentId: string, request: RegisterRequest, claim: Owner): Promise<Enrolled> {
    // One after the other for each agent: of two keys that come at once, one is the first.
    const running = this.#running.get(agentId)
    if (running !== undefined) {
      await running
      return this.take(agentId, request, claim)
    }
    const known = this.#roster.get(agentId)
    const owner = ownerAfter(known?.owner ?? null, claim, this.#ownsAgents)
    if (owner === undefined) throw notItsOwner('register', agentId)
    if (known && known.owner === owner && isRegisteredAs(known.registration, request)) return { record: known, news: undefined }
    if (known && known.connections > 0) this.#warnOfTwins(known, request)
    const storing = this.#save(agentId, request, owner)
    this.#running.set(
      agentId,
      storing.then(
        () => void this.#running.delete(agentId),
        () => void this.#running.delete(agentId),
      ),
    )
    return storing
  }

  async #save(agentId: string, request: RegisterRequest, owner: Owner): Promise<Enrolled> {
    const stored = await storeAnswers('register the agent', () => this.#store.registerAgent({ agent_id: agentId, ...request, owner }))
    // It may have been deleted meanwhile.
    const there = this.#roster.get(agentId)
    if (there) {
      there.registration = registrationOf(stored)
      this.#give(there, stored.owner)
      return { record: there, news: 'updated' }
    }
    const record = new AgentRecord(agentId, registrationOf(stored), stored.owner, Date.parse(stored.registered_at), this.#clock.monotonic())
    this.#presence.arrived(record)
    this.#roster.add(record)
    return { record, news: 'registered' }
  }

  #give(record: AgentRecord, owner: Owner): void {
    if (record.owner === owner) return
    this.#logger.info('http', 'an agent belongs to another key from now on', { agent_id: record.id, owner, owner_before: record.owner })
    record.owner = owner
    this.#presence.changedHands(record)
  }

  /** Two hosts that were given one id are one agent to whoever looks at the fleet: said where it shows. */
  #warnOfTwins({ id, registration }: AgentRecord, { hostname, ip_address }: RegisterRequest): void {
    if (registration.hostname === hostname && registration.ip_address === ip_address) return
    this.#logger.warn('http', 'an agent registered from elsewhere while its connection is held: where both hosts live, one DATA_DIR was copied', {
      agent_id: id,
      hostname,
      ip_address,
      held_by: { hostname: registration.hostname, ip_address: registration.ip_address },
    })
  }
}
