import type { RegisterRequest } from '#lib/contract/agent.ts'
import type { Batch, BatchAccepted, Report } from '#lib/contract/fleet.ts'
import type { Presence, Roll, Sign } from '#lib/distribution/followers.ts'
import type { Store } from '#lib/store/port.ts'
import { storeAnswers } from '../store-errors.ts'

interface KnownAgent {
  heldVersion: number | undefined
  report: Report | undefined
  /** How many of its connections are held. */
  connections: number
  readonly drops: Set<() => void>
}

/** The agents of this controller, in memory. */
export class Fleet implements Presence, Roll {
  readonly #store: Store
  readonly #agents = new Map<string, KnownAgent>()

  constructor(store: Store) {
    this.#store = store
  }

  seen(sign: Sign): void {
    const agent = this.#agents.get(sign.agentId)
    if (agent && sign.heldVersion !== undefined) agent.heldVersion = sign.heldVersion
  }

  attach(sign: Sign, drop?: () => void): () => void {
    const agent = this.#agents.get(sign.agentId)
    if (!agent) return () => {}
    this.seen(sign)
    agent.connections++
    if (drop) agent.drops.add(drop)
    return () => {
      agent.connections--
      if (drop) agent.drops.delete(drop)
    }
  }

  async register(agentId: string, request: RegisterRequest): Promise<void> {
    await storeAnswers('register the agent', () => this.#store.registerAgent({ agent_id: agentId, ...request }))
    if (!this.#agents.has(agentId)) this.#agents.set(agentId, { heldVersion: undefined, report: undefined, connections: 0, drops: new Set() })
  }

  async report(agentId: string, report: Report): Promise<boolean> {
    const agent = this.#agents.get(agentId)
    if (agent) agent.report = report
    return agent !== undefined
  }

  async batch(_relayId: string | undefined, batch: Batch): Promise<BatchAccepted> {
    const unknown: string[] = []
    for (const { agent_id, registration, report } of batch.agents) {
      if (registration) await this.register(agent_id, registration)
      const agent = this.#agents.get(agent_id)
      if (!agent) unknown.push(agent_id)
      else if (report) agent.report = report
    }
    return { accepted: batch.agents.length - unknown.length, unknown }
  }
}
