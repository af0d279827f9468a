import type { RegisterRequest } from '#lib/contract/agent.ts'
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
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #logger: Logger

  constructor(options: {
    readonly store: Pick<Store, 'registerAgent'>
    readonly roster: Roster
    readonly presence: FleetPresence
    readonly clock: Pick<Clock, 'monotonic'>
    readonly logger: Logger
  }) {
    this.#store = options.store
    this.#roster = options.roster
    this.#presence = options.presence
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /**
   * Takes a registration. One that says nothing new does not touch the database: after a restart, ten thousand agents
   * register again within seconds, and with a full disk they go on as they were.
   * @param owner whose it is from now on; undefined: as before, and nobody's where it is new
   * @throws ApiError STORE_UNAVAILABLE
   */
  async take(agentId: string, request: RegisterRequest, owner?: string): Promise<Enrolled> {
    const known = this.#roster.get(agentId)
    if (known && isRegisteredAs(known.registration, request) && (owner === undefined || owner === known.owner)) return { record: known, news: undefined }
    if (known && known.connections > 0) this.#warnOfTwins(known, request)
    const stored = await storeAnswers('register the agent', () =>
      this.#store.registerAgent({ agent_id: agentId, ...request, ...(owner === undefined ? {} : { owner }) }),
    )
    // Another request may have registered or deleted it meanwhile.
    const there = this.#roster.get(agentId)
    if (there) {
      there.registration = registrationOf(stored)
      there.owner = stored.owner
      return { record: there, news: 'updated' }
    }
    const record = new AgentRecord(agentId, registrationOf(stored), Date.parse(stored.registered_at), this.#clock.monotonic())
    record.owner = stored.owner
    this.#presence.arrived(record)
    this.#roster.add(record)
    return { record, news: 'registered' }
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
