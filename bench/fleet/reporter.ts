import { AgentConnection, LostError, type Target } from './connection.ts'
import { reportText, type Sender } from './requests.ts'
import type { Tally } from './tally.ts'

/** Connections that the reports of a process go over. Real agents have one each; what the controller has to do is the same. */
const CONNECTIONS = 32
const TIMEOUT_MS = 10_000
const RETRY_MS = 500

/** Posts what agents applied: of several versions of one agent only the newest that is not under way. */
export class Reporter {
  readonly #options: Sender & { readonly target: Target; readonly tally: Tally }
  readonly #due = new Map<string, number>()
  readonly #idle: (() => void)[] = []
  #running = 0
  #taken = 0

  constructor(options: Sender & { readonly target: Target; readonly tally: Tally }) {
    this.#options = options
  }

  /** How many reports were taken. */
  get taken(): number {
    return this.#taken
  }

  /** An agent has applied a version. */
  applied(agentId: string, version: number): void {
    this.#due.set(agentId, version)
    if (this.#running < CONNECTIONS) {
      this.#running++
      // Behind what has come in the same turn: the measured times are those of the config, not of its reports.
      setImmediate(() => void this.#send())
    }
  }

  /** Resolves when nothing is due or under way. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async #send(): Promise<void> {
    let connection: AgentConnection | undefined
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      try {
        if (connection === undefined || connection.over) connection = await AgentConnection.open(this.#options.target, TIMEOUT_MS)
        const { head } = await connection.request(reportText(this.#options, next.agentId, next.version), TIMEOUT_MS)
        this.#options.tally.answered(head)
        if (head.status === 200) this.#taken++
        // Unknown to a controller that has just begun again: the agent registers, and reports its next version.
        else if (head.status !== 404) throw new LostError(`report answered ${head.status}`)
      } catch (error) {
        this.#options.tally.count(error instanceof LostError ? error.reason : String(error))
        const { agentId, version } = next
        if (!this.#due.has(agentId)) this.#due.set(agentId, version)
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
    connection?.close()
    if (--this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  #next(): { readonly agentId: string; readonly version: number } | undefined {
    const first = this.#due.entries().next()
    if (first.done) return undefined
    const [agentId, version] = first.value
    this.#due.delete(agentId)
    return { agentId, version }
  }
}
