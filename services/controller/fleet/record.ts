import type { FollowMode, RegisterRequest } from '#lib/contract/agent.ts'
import type { Report } from '#lib/contract/fleet.ts'
import type { HitOutcome } from '#lib/contract/outcome.ts'
import type { Drop } from '#lib/distribution/key-connections.ts'
import type { Owner } from '#lib/distribution/ownership.ts'
import type { Caller } from '#lib/http/caller.ts'
import type { AgentReport, NewAgent } from '#lib/store/port.ts'
import type { RelaySession } from './relay-sessions.ts'

/** How long ago an agent can have been heard of, in ms: ten years. Beyond that it is a broken clock, and no date. */
export const MAX_AGE_MS = 10 * 365 * 86_400_000

/** What an agent said of itself when it registered. */
export interface Registration {
  readonly hostname: string
  readonly ip_address: string
  readonly port: number
  readonly labels: Readonly<Record<string, string>>
  readonly instance_id?: string
  readonly agent_version?: string
}

/** A connection that is held here, of one that says which agent it is. */
export interface HeldConnection {
  readonly caller: Caller
  /** Ends it. */
  readonly drop: Drop
}

/** The registration of a stored or a new agent, without what is not part of it. */
export const registrationOf = ({ hostname, ip_address, port, labels, instance_id, agent_version }: NewAgent): Registration => ({
  hostname,
  ip_address,
  port,
  labels: labels ?? {},
  ...(instance_id === undefined ? {} : { instance_id }),
  ...(agent_version === undefined ? {} : { agent_version }),
})

/** Whether two sets of labels are the same, in whatever order they came. */
function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
}

/** Whether a registration says nothing new: then the database is not touched. */
export const isRegisteredAs = (known: Registration, request: RegisterRequest): boolean =>
  known.hostname === request.hostname &&
  known.ip_address === request.ip_address &&
  known.port === request.port &&
  known.instance_id === request.instance_id &&
  known.agent_version === request.agent_version &&
  sameLabels(known.labels, request.labels ?? {})

/** An agent in memory. Its fields are written for each request of whole fleets, so they are plain fields. */
export class AgentRecord {
  readonly id: string
  /** Wall time, ms since the epoch. */
  readonly registeredAt: number
  registration: Registration
  /** Whose it is. */
  owner: Owner
  via: FollowMode | null = null
  heldVersion: number | null = null
  /** Its last report, without its hits. */
  report: Report | undefined
  /** What its last report said of hits; undefined where that was nothing. They change all the time, and are not saved. */
  hits: readonly HitOutcome[] | undefined
  /** The version that it last said its worker runs. */
  appliedVersion: number | null = null
  /** When it first said so of that version, monotonic ms; undefined where that was before this start. */
  appliedAt: number | undefined
  /** What it reported since it was saved last, by version. */
  readonly unsavedReports = new Map<number, AgentReport>()
  /** When it was last heard of, monotonic ms; what a held connection adds is not in here. */
  lastSeen: number
  /** The `lastSeen` that is saved. */
  savedSeen: number | undefined
  /** The open session that is saved of it. */
  savedSession: RelaySession | undefined
  /** Its connections that are held here. */
  held: readonly HeldConnection[] = []
  /** The relay that it follows; undefined where it follows the controller itself. */
  relayId: string | undefined
  /** The session in which its relay said that it holds a connection of it. */
  session: RelaySession | undefined

  /** @param lastSeen monotonic ms */
  constructor(id: string, registration: Registration, owner: Owner, registeredAt: number, lastSeen: number) {
    this.id = id
    this.registration = registration
    this.owner = owner
    this.registeredAt = registeredAt
    this.lastSeen = lastSeen
  }

  /** How many of its connections are held here. */
  get connections(): number {
    return this.held.length
  }

  /** Whether it is one of those that report: it has, or it told who it is when it asked. Go agents do neither. */
  get reports(): boolean {
    return this.report !== undefined || this.via !== null
  }

  /** Whether its last report says that its worker runs this version. */
  hasApplied(version: number | null): boolean {
    return this.report?.state === 'applied' && this.report.version === version
  }

  /** Marks that it was heard of; never goes back. */
  heardAt(monotonic: number): void {
    if (monotonic > this.lastSeen) this.lastSeen = monotonic
  }

  /**
   * Takes a report, whatever version it is about: the newest received is what holds.
   * @param latest the version that the fleet is to run
   * @param wall the same moment as `now`, ms since the epoch
   * @returns whether it says anything new of the version: agents report again after each registration, and what became of hits
   */
  take({ hits, ...report }: Report, now: number, latest: number | null, wall: number): boolean {
    this.heardAt(now)
    this.hits = hits?.length ? hits : undefined
    const { version, state, error } = this.report ?? {}
    if (version === report.version && state === report.state && error === report.error) return false
    this.report = report
    this.unsavedReports.set(report.version, { version: report.version, state: report.state, error: report.error, at: wall })
    // A report about a version says that it is held, but a late one does not take back a newer. Where what was held is
    // beyond the latest, this controller was restored from a backup, and the agent went back with it.
    if (this.heldVersion === null || report.version > this.heldVersion || this.heldVersion > (latest ?? 0)) this.heldVersion = report.version
    if (report.state === 'applied' && report.version !== this.appliedVersion) {
      this.appliedVersion = report.version
      this.appliedAt = now
    }
    return true
  }
}
