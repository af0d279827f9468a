import { randomUUID } from 'node:crypto'
import { systemClock } from '#lib/runtime/clock.ts'
import { monotonicMs } from '../support/monotonic.ts'
import { SimulatedAgent, type Surroundings } from './agent.ts'
import { ConfigReader } from './configs.ts'
import { type Allowance, type Published, problemsOf, reachedAt } from './history.ts'
import { Reporter } from './reporter.ts'
import { Tally } from './tally.ts'

/** How many agents begin at once: fewer than any listen backlog holds. */
const WAVE = 100
/** How many agents that broke a guarantee are named. */
const NAMED = 20

/** What a swarm is made of. */
export interface SwarmOptions extends Pick<Surroundings, 'target' | 'authority' | 'apiKey' | 'via' | 'waitSeconds' | 'intervalSeconds'> {
  readonly agents: number
  /** The number of the first. */
  readonly first: number
  /** How many of them never read their stream. */
  readonly neverRead: number
  /** Whether they report what they applied. */
  readonly report: boolean
}

/** An agent that broke a guarantee. */
export interface Broken {
  readonly agent: string
  readonly problems: readonly string[]
}

/** Waits for a number of agents to have done something. */
interface Waiter {
  readonly isDone: () => boolean
  readonly done: () => void
}

/** The agents of one process. */
export class Swarm {
  readonly tally = new Tally()
  readonly configs = new ConfigReader()
  readonly #agents: SimulatedAgent[]
  readonly #readers: SimulatedAgent[]
  readonly #reporter: Reporter | undefined
  readonly #waiters = new Set<Waiter>()
  readonly #starts = new Map<SimulatedAgent, () => void>()
  /** The newest version of any agent, and how many readers hold it. */
  #newest = { version: 0, holders: 0 }

  constructor(options: SwarmOptions) {
    const { target, authority, apiKey, via, waitSeconds, intervalSeconds } = options
    this.#reporter = options.report ? new Reporter({ target, authority, apiKey, tally: this.tally }) : undefined
    const around: Surroundings = {
      ...{ target, authority, apiKey, via, waitSeconds, intervalSeconds, configs: this.configs, tally: this.tally },
      random: () => systemClock.random(),
      sleep: (ms) => systemClock.sleep(ms),
      took: (agent, { version }) => this.#took(agent, version),
      follows: (agent) => this.#follows(agent),
    }
    this.#agents = Array.from({ length: options.agents }, (_, index) => {
      const neverReads = index < options.neverRead
      return new SimulatedAgent({ index: options.first + index, instanceId: randomUUID(), neverReads }, around)
    })
    this.#readers = this.#agents.filter(({ neverReads }) => !neverReads)
  }

  /** How many follow, and how many hold the newest version seen. */
  get progress(): { readonly following: number; readonly holders: number } {
    return { following: this.#agents.filter(({ followingSince }) => followingSince !== undefined).length, holders: this.#newest.holders }
  }

  /** Starts all, in waves; resolves when each has followed. */
  async open(): Promise<void> {
    let next = 0
    const opener = async () => {
      for (let agent = this.#agents[next++]; agent !== undefined; agent = this.#agents[next++]) {
        const starting = agent
        await new Promise<void>((resolve) => {
          this.#starts.set(starting, resolve)
          void starting.run()
        })
      }
    }
    await Promise.all(Array.from({ length: WAVE }, opener))
  }

  /**
   * Waits until all that read have got a version or a later one.
   * @returns when each of them got it, and how many did not within the time
   */
  async reached(version: number, timeoutMs: number): Promise<{ readonly at: number[]; readonly missing: number }> {
    await this.#until(() => this.#readers.every(({ highest }) => highest >= version), timeoutMs)
    const at = this.#readers.flatMap(({ history }) => reachedAt(history.held, version) ?? [])
    return { at, missing: this.#readers.length - at.length }
  }

  /**
   * Waits until all that read have begun to follow after a moment.
   * @param after {@link monotonicMs}
   * @returns when each of them did, and how many did not within the time
   */
  async followed(after: number, timeoutMs: number): Promise<{ readonly at: number[]; readonly missing: number }> {
    const since = () => this.#readers.flatMap(({ followingSince = 0 }) => (followingSince > after ? [followingSince] : []))
    await this.#until(() => this.#readers.every(({ followingSince = 0 }) => followingSince > after), timeoutMs)
    const at = since()
    return { at, missing: this.#readers.length - at.length }
  }

  /** Waits until every report that is due was taken. @returns how many were taken */
  async reported(): Promise<number> {
    await this.#reporter?.idle()
    return this.#reporter?.taken ?? 0
  }

  /** Looks through each agent's history; those that never read are owed nothing. */
  check(published: readonly Published[], allowance: Allowance): { readonly broken: number; readonly named: Broken[] } {
    const now = monotonicMs()
    const broken = this.#readers.flatMap((agent): Broken[] => {
      const problems = problemsOf(agent.history, published, allowance, now)
      return problems.length === 0 ? [] : [{ agent: `sim-${agent.index} (${agent.agentId ?? 'not registered'})`, problems }]
    })
    return { broken: broken.length, named: broken.slice(0, NAMED) }
  }

  #took(agent: SimulatedAgent, version: number): void {
    if (agent.agentId !== undefined) this.#reporter?.applied(agent.agentId, version)
    if (version > this.#newest.version) this.#newest = { version, holders: 0 }
    if (version === this.#newest.version) this.#newest.holders++
    // Looking at all agents costs too much for each of them: only where it could be the last.
    if (this.#newest.holders >= this.#readers.length) this.#look()
  }

  #follows(agent: SimulatedAgent): void {
    this.#starts.get(agent)?.()
    this.#starts.delete(agent)
  }

  #look(): void {
    for (const waiter of this.#waiters) if (waiter.isDone()) waiter.done()
  }

  /** Waits until it is so, or the time is over. */
  async #until(isDone: () => boolean, timeoutMs: number): Promise<void> {
    if (isDone()) return
    await new Promise<void>((resolve) => {
      const waiter: Waiter = { isDone, done: () => end() }
      const end = () => {
        clearTimeout(timer)
        clearInterval(looking)
        this.#waiters.delete(waiter)
        resolve()
      }
      const timer = setTimeout(end, timeoutMs)
      const looking = setInterval(() => this.#look(), 50)
      this.#waiters.add(waiter)
    })
  }
}
