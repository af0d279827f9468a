import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

/** A line of a service's JSON log: what tests look at, and all the rest of it. */
const LogLineSchema = z.looseObject({ level: z.number(), msg: z.string(), part: z.string().optional(), port: z.number().optional() })
export type LogLine = z.infer<typeof LogLineSchema>

const projectRoot = fileURLToPath(new URL('../..', import.meta.url))

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A real process of a test's own; it is killed by its id when the test's scope ends. */
export class TestProcess implements AsyncDisposable {
  readonly pid: number
  readonly lines: LogLine[] = []
  /** What it wrote to stderr. */
  stderr = ''
  /** Resolves when it has ended and everything it wrote was read. */
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  readonly #watchers = new Set<() => void>()
  /** A test that times out never disposes of what it started. */
  readonly #onExit = () => void this.#child.kill('SIGKILL')

  /**
   * Runs a TypeScript file with this Node.js.
   * @param script path from the root of the project
   * @param options.env all it gets beside PATH and HOME: nothing of the machine's settings leaks in
   */
  constructor(script: string, options: { readonly env?: Readonly<Record<string, string>>; readonly args?: readonly string[] } = {}) {
    const { PATH = '', HOME = '' } = process.env
    this.#child = spawn(process.execPath, ['--import', 'tsx', script, ...(options.args ?? [])], {
      cwd: projectRoot,
      env: { PATH, HOME, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { stdout, stderr, pid } = this.#child
    if (!stdout || !stderr || pid === undefined) throw new Error(`Cannot start ${script}: it has no pid or no pipes`)
    this.pid = pid
    process.once('exit', this.#onExit)
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    createInterface({ input: stdout }).on('line', (line) => {
      this.lines.push(line.startsWith('{') ? LogLineSchema.parse(JSON.parse(line)) : { level: 0, msg: line })
      for (const look of this.#watchers) look()
    })
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        process.off('exit', this.#onExit)
        resolve({ code, signal })
        for (const look of this.#watchers) look()
      })
    })
  }

  /** Resolves with the first line that fits; fails where the process ends without it. */
  async line(what: string, fits: (line: LogLine) => boolean): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.lines.find(fits)
        const gone = this.#child.exitCode !== null || this.#child.signalCode !== null
        if (!found && !gone) return
        this.#watchers.delete(look)
        if (found) resolve(found)
        else reject(new Error(`the process ended without ${what}: ${this.stderr || JSON.stringify(this.lines)}`))
      }
      this.#watchers.add(look)
      void this.ended.then(look)
      look()
    })
  }

  /** The port that the service listens on. */
  async listening(): Promise<number> {
    const { port } = await this.line('listening', (line) => line.part === 'http' && line.port !== undefined)
    if (port === undefined) throw new Error('the line names no port')
    return port
  }

  /** Sends a signal to this process, by its id. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
    await this.ended
  }
}

/** A controller in a process of its own, on a port that the kernel chose. */
export const controllerProcess = (env: Readonly<Record<string, string>>): TestProcess =>
  new TestProcess('services/controller/main.ts', { env: { CONTROLLER_PORT: '0', LOG_LEVEL: 'info', ...env } })
