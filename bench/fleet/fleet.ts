import type { z } from 'zod'
import { Child } from '../support/child.ts'
import type { Allowance, Published } from './history.ts'
import { agentsFollowed, agentsProgress, agentsReached, agentsReported, checkAgents, openAgents } from './protocol.ts'
import { type Announced, Publisher } from './publisher.ts'
import type { Broken } from './swarm.ts'
import { sumCounts } from './tally.ts'

/** How a fleet is made. */
export interface FleetOptions {
  /** What the agents follow: the controller, or the relays of the lowest tier; they are spread evenly. */
  readonly urls: readonly string[]
  /** Where is published. */
  readonly controllerUrl: string
  readonly apiKey: string
  readonly agents: number
  readonly via: 'stream' | 'wait' | 'poll'
  /** Over how many processes the agents are spread; at least one for each url. */
  readonly processes: number
  /** Seconds between polls, and what is published as such. */
  readonly intervalSeconds?: number
  /** How many agents never read their stream. */
  readonly neverRead?: number
  readonly report?: boolean
}

/** One publish on its way to all agents. */
export interface Round {
  readonly version: number
  /** From just before the publish was written to each agent's last byte of it, in ms; those that read. */
  readonly latencies_ms: readonly number[]
  /** How many did not get it in time. */
  readonly missing: number
}

/** What was found in all histories. */
export interface Findings {
  readonly broken: number
  /** The first of those that broke a guarantee, by name. */
  readonly named: readonly Broken[]
  /** Answers by status, ends of connections by reason. */
  readonly counts: Readonly<Record<string, number>>
  /** What else is wrong: bytes that were not those published, faults. */
  readonly faults: readonly string[]
}

/** What a child is asked to open. */
type Part = z.input<typeof openAgents.args>

/** Spreads agents over children: of each url as many children as of the next, of each child as many agents. */
export function partsOf(options: FleetOptions): Part[] {
  const { urls, apiKey, agents, via, neverRead = 0, report = false, intervalSeconds = 30 } = options
  const count = Math.ceil(Math.max(options.processes, urls.length) / urls.length) * urls.length
  const upTo = (total: number, index: number) => Math.floor((total * index) / count)
  return Array.from({ length: count }, (_, index): Part => {
    const url = new URL(urls[index % urls.length] ?? options.controllerUrl)
    const share = (total: number) => upTo(total, index + 1) - upTo(total, index)
    return {
      ...{ host: url.hostname, port: Number(url.port || 80), authority: url.host, api_key: apiKey, via, report },
      ...{ first: upTo(agents, index), agents: share(agents), never_read: share(neverRead) },
      ...{ wait_seconds: 25, interval_seconds: intervalSeconds },
    }
  }).filter((part) => part.agents > 0)
}

/** A fleet of simulated agents in processes of their own. */
export class Fleet implements AsyncDisposable {
  readonly #children: readonly Child[]
  readonly #parts: readonly { readonly part: Part; readonly child: Child }[]
  readonly #publisher: Publisher
  readonly #published: (Published & Announced)[] = []

  constructor(options: FleetOptions) {
    this.#parts = partsOf(options).map((part) => ({ part, child: new Child('fleet-agents') }))
    this.#children = this.#parts.map(({ child }) => child)
    this.#publisher = new Publisher({ url: options.controllerUrl, apiKey: options.apiKey, intervalSeconds: options.intervalSeconds ?? 30 })
  }

  /** Opens all agents; resolves when each of them has followed. */
  async open(): Promise<void> {
    await Promise.all(this.#parts.map(({ child, part }) => child.call(openAgents, part)))
  }

  /** How many follow, and how many hold the newest version. */
  async progress(): Promise<{ readonly following: number; readonly holders: number }> {
    const all = await Promise.all(this.#children.map((child) => child.call(agentsProgress, {})))
    return { following: all.reduce((sum, { following }) => sum + following, 0), holders: all.reduce((sum, { holders }) => sum + holders, 0) }
  }

  /** Publishes, and waits until all agents that read have it, or the time is over. */
  async publish(data: Readonly<Record<string, unknown>>, timeoutMs: number): Promise<Round> {
    const announced = await this.#publisher.publish(data)
    const { version, at: start } = announced
    this.#published.push(announced)
    const all = await Promise.all(this.#children.map((child) => child.call(agentsReached, { version, timeout_ms: timeoutMs })))
    const latencies = all.flatMap(({ at }) => at.map((each) => each - start)).sort((a, b) => a - b)
    // Nobody gets what has not been sent: a clock of one of the processes would be wrong, and every figure with it.
    if ((latencies[0] ?? 0) < 0) throw new Error(`Cannot trust the clocks: an agent got version ${version} ${-(latencies[0] ?? 0)} ms before it was sent`)
    return { version, latencies_ms: latencies, missing: all.reduce((sum, { missing }) => sum + missing, 0) }
  }

  /**
   * Waits until all agents that read have begun to follow after a moment.
   * @returns how long after it each of them did, in ms, and how many did not within the time
   */
  async followed(after: number, timeoutMs: number): Promise<{ readonly after_ms: readonly number[]; readonly missing: number }> {
    const all = await Promise.all(this.#children.map((child) => child.call(agentsFollowed, { after, timeout_ms: timeoutMs })))
    return { after_ms: all.flatMap(({ at }) => at.map((each) => each - after)), missing: all.reduce((sum, { missing }) => sum + missing, 0) }
  }

  /** Waits until all reports were taken. @returns how many */
  async reported(): Promise<number> {
    const all = await Promise.all(this.#children.map((child) => child.call(agentsReported, {})))
    return all.reduce((sum, { taken }) => sum + taken, 0)
  }

  /** Looks through the history of each agent, and compares what they were given with what was published. */
  async check(allowance: Allowance): Promise<Findings> {
    const published = this.#published.map(({ version, at }) => ({ version, at }))
    const all = await Promise.all(this.#children.map((child) => child.call(checkAgents, { published, ...allowance })))
    const counts = sumCounts(all.map((each) => each.counts))
    const wrong = this.#published.flatMap(({ version, digest }) =>
      all.some(({ digests }) => digests.some(([given, of]) => given === version && of !== digest))
        ? [`version ${version} came with other bytes than were published`]
        : [],
    )
    return {
      broken: all.reduce((sum, { broken }) => sum + broken, 0),
      named: all.flatMap(({ named }) => named),
      counts,
      faults: [...wrong, ...Object.keys(counts).filter((name) => name.startsWith('fault: '))],
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#publisher.close()
    await Promise.all(this.#children.map((child) => child[Symbol.asyncDispose]()))
  }
}
