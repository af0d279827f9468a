import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import packageJson from '../../package.json' with { type: 'json' }

/** The folder of the project. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

const ListeningSchema = z.object({ service: z.string().optional(), part: z.literal('http'), port: z.number() })

/** How long a service may take to stop by itself, in ms. */
const STOP_MS = 3000

/** What every service gets: ports from the kernel, log lines that say which, nothing of the machine's own settings. */
const baseEnv = { CONTROLLER_PORT: '0', WORKER_PORT: '0', AGENT_PORT: '0', LOG_FORMAT: 'json' }

/** The status of a GET, 0 where there is no answer. */
function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false }, (res) => {
      res.resume()
      resolve(res.statusCode ?? 0)
    })
    request.on('error', () => resolve(0))
  })
}

/** A command of ours in a process group of its own, ended by its own id. */
export class Service implements AsyncDisposable {
  readonly #started = performance.now()
  readonly #child: ChildProcess
  readonly #ports = new Map<string, number>()
  readonly #wanted: readonly string[]
  readonly #listening: Promise<void>
  #stderr = ''
  readonly #onExit = () => this.#kill('SIGKILL')

  /**
   * @param command with its arguments, run in the project's folder
   * @param names the services in it, as their log lines name them
   */
  constructor(command: readonly [string, ...string[]], names: readonly string[], env: Readonly<Record<string, string>>) {
    const [file, ...args] = command
    const { PATH = '', HOME = '' } = process.env
    this.#wanted = names
    this.#child = spawn(file, args, { cwd: root, env: { PATH, HOME, ...baseEnv, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    process.once('exit', this.#onExit)
    const { stdout, stderr } = this.#child
    if (!stdout || !stderr) throw new Error(`Cannot start ${command.join(' ')}: it has no pipes`)
    stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.#listening = new Promise((resolve, reject) => {
      const lines = createInterface({ input: stdout }).on('line', (line) => {
        if (!line.includes('"part":"http"')) return
        const parsed = ListeningSchema.safeParse(JSON.parse(line))
        if (!parsed.success) return
        this.#ports.set(parsed.data.service ?? '', parsed.data.port)
        if (!names.every((name) => this.#ports.has(name))) return
        resolve()
        // What it says from now on is read and forgotten: reading it by lines would cost a core that the service is to share.
        lines.close()
        stdout.resume()
      })
      this.#child.once('error', reject)
      this.#child.once('close', (code) => reject(new Error(`${command.join(' ')} ended with code ${code} before it listened: ${this.#stderr}`)))
    })
    this.#listening.catch(() => {})
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the service did not start')
    return this.#child.pid
  }

  /** The port of a service in it, once it listens. */
  port(name: string): number {
    const port = this.#ports.get(name)
    if (port === undefined) throw new Error(`the ${name} does not listen yet`)
    return port
  }

  /** Waits until each service in it answers /ready with 200. @returns the ms since it was started */
  async ready(): Promise<number> {
    await this.#listening
    for (const name of this.#wanted) while ((await statusOf(this.port(name), '/ready')) !== 200) await delay(5)
    return performance.now() - this.#started
  }

  /** Kills it as a machine that fails would: no signal handler runs. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#kill('SIGKILL')
    await exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#onExit)
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#kill('SIGTERM')
    const overdue = setTimeout(() => this.#kill('SIGKILL'), STOP_MS)
    await exit
    clearTimeout(overdue)
  }

  /** Signals the group that this process leads: npm has a shell and Node below it. */
  #kill(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal)
    } catch {
      // It has ended by itself.
    }
  }
}

/** The command of an npm script that runs a bundle, with this Node.js: what is measured is what `npm run` runs. */
export function commandOf(script: 'start' | 'controller' | 'agent' | 'worker'): readonly [string, ...string[]] {
  const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(packageJson)
  const [node, ...args] = (scripts[script] ?? '').split(' ')
  if (node !== 'node') throw new Error(`Cannot run npm run ${script} by itself: it is not node with a bundle`)
  return [process.execPath, ...args]
}

/** One of the bundles in dist/, ready. */
export async function startService(name: 'controller' | 'agent' | 'worker', env: Readonly<Record<string, string>>): Promise<Service> {
  const service = new Service(commandOf(name), [name], env)
  await service.ready()
  return service
}
