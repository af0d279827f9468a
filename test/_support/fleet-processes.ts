import { z } from 'zod'
import { createControllerClient } from '#services/controller/client.ts'
import type { TestProcess } from './process.ts'
import { steadyPort } from './steady-port.ts'
import { startService } from './system.ts'
import { TempFolder } from './temp.ts'

const KEY = 'default-api-key'

/** A controller with agents and workers, all of them processes of their own. */
export class FleetProcesses implements AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly workerPorts: number[] = []
  readonly #folders = new Map<string, TempFolder>()
  readonly #running: TestProcess[] = []
  #controller: TestProcess | undefined
  #env: Readonly<Record<string, string>> = {}

  private constructor(port: number) {
    this.port = port
    this.url = `http://127.0.0.1:${port}`
  }

  /**
   * @param options.hosts what differs for the worker of each host
   * @param options.env of the controller
   */
  static async start(options: {
    readonly hosts: readonly Readonly<Record<string, string>>[]
    readonly env?: Readonly<Record<string, string>>
  }): Promise<FleetProcesses> {
    const fleet = new FleetProcesses(await steadyPort())
    try {
      for (const [n, env] of options.hosts.entries()) await fleet.#startHost(n, env)
      const [workerPort] = fleet.workerPorts
      fleet.#env = { ...(workerPort === undefined ? {} : { CONSOLE_WORKER_URL: `http://127.0.0.1:${workerPort}` }), ...options.env }
      await fleet.startController()
      return fleet
    } catch (error) {
      await fleet[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Starts the controller, or starts it again, on the same port and files. */
  async startController(): Promise<void> {
    const controller = startService('controller', { DATA_DIR: this.#folder('controller'), CONTROLLER_PORT: String(this.port), ...this.#env })
    this.#controller = controller
    await controller.listening()
  }

  /** Ends the controller. */
  async stopController(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#controller?.signal(signal)
    await this.#controller?.ended
  }

  /** The typed client of the controller. */
  client(apiKey = KEY) {
    return createControllerClient(this.url, { apiKey })
  }

  /** Publishes data; fails where that is not a 201. */
  async publish(data: Readonly<Record<string, unknown>>, comment?: string): Promise<void> {
    const answer = await this.client().config.$post({ query: {}, header: {}, json: { data, ...(comment === undefined ? {} : { comment }) } })
    if (answer.status !== 201) throw new Error(`the publish was answered with ${answer.status}`)
  }

  /** What a route of the controller, or of a worker, answers; fails where it is no success. */
  async get<T extends z.ZodType>(path: string, schema: T, base = this.url): Promise<z.output<T>> {
    const answer = await fetch(`${base}${path}`, { headers: { 'X-API-Key': KEY } })
    return schema.parse(z.object({ success: z.literal(true), data: z.unknown() }).parse(await answer.json()).data)
  }

  async #startHost(n: number, env: Readonly<Record<string, string>>): Promise<void> {
    const worker = startService('worker', { DATA_DIR: this.#folder(`worker-${n}`), ...env })
    this.#running.push(worker)
    const workerPort = await worker.listening()
    this.workerPorts.push(workerPort)
    const agent = startService('agent', {
      DATA_DIR: this.#folder(`agent-${n}`),
      AGENT_HOSTNAME: `web-0${n + 1}`,
      CONTROLLER_URL: this.url,
      WORKER_URL: `http://127.0.0.1:${workerPort}`,
    })
    this.#running.push(agent)
    await agent.listening()
  }

  #folder(name: string): string {
    const folder = this.#folders.get(name) ?? new TempFolder()
    this.#folders.set(name, folder)
    return folder.path
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of [...this.#running, ...(this.#controller ? [this.#controller] : [])]) await process[Symbol.asyncDispose]()
    for (const folder of this.#folders.values()) folder[Symbol.dispose]()
  }
}
