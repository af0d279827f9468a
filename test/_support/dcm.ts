import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { runCommand } from '#cli/run.ts'
import type { Environment } from '#lib/runtime/env.ts'
import { TEST_KEY, TestController } from './controller.ts'

/** What a run of the command came to. */
export interface DcmRun {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** How it is run: whether at a terminal, and what interrupts it. */
export interface DcmOptions {
  readonly tty?: boolean
  readonly signal?: AbortSignal
  /** Called with each thing it says on stderr. */
  readonly onTalk?: (text: string) => void
  /** Whether stdout still has a reader; asked when it matters. */
  readonly isOpen?: () => boolean
}

/** Runs the command in this process; nothing of the machine's settings leaks in. */
export async function dcm(args: readonly string[], env: Environment = {}, options: DcmOptions = {}): Promise<DcmRun> {
  let [stdout, stderr] = ['', '']
  const isTTY = options.tty ?? false
  const exit = await runCommand(args, {
    env: { HOME: '/nonexistent', API_KEY: TEST_KEY, ...env },
    stdout: {
      write: (text) => (stdout += text),
      isTTY,
      get isOpen() {
        return options.isOpen?.() ?? true
      },
    },
    stderr: {
      write: (text) => {
        stderr += text
        options.onTalk?.(text)
      },
      isTTY,
    },
    signal: options.signal ?? new AbortController().signal,
  })
  return { exit, stdout, stderr }
}

/** A controller on a socket, and the command against it. */
export async function withController() {
  const controller = await TestController.open()
  const { port } = await controller.listen()
  const env = { CONTROLLER_URL: `http://127.0.0.1:${port}`, WORKER_URL: 'http://127.0.0.1:1', AGENT_URL: 'http://127.0.0.1:1' }
  const run = (...args: string[]): Promise<DcmRun> => dcm(args, env)
  const json = async (...args: string[]): Promise<unknown> => JSON.parse((await run(...args, '--json')).stdout)
  return { controller, env, run, json, latest: () => controller.deps.feed.current?.config.data }
}

const root = join(import.meta.dirname, '..', '..')

/** How a process of the command is run. */
export interface DcmProcessOptions {
  /** What it reads on stdin. */
  readonly input?: string | Uint8Array
  readonly cwd?: string
  /** A program, with its arguments, that runs it. */
  readonly under?: readonly string[]
}

/** A real process of the command as it is installed: its bin, which builds what is stale, and the bundle. */
export class DcmProcess implements AsyncDisposable {
  readonly ended: Promise<{ readonly exit: number | null; readonly signal: NodeJS.Signals | null }>
  stdout = ''
  stderr = ''
  readonly child: ReturnType<typeof spawn>

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}, options: DcmProcessOptions = {}) {
    const { PATH = '' } = process.env
    const [program = '', ...rest] = [...(options.under ?? []), process.execPath, join(root, 'cli', 'dcm.mjs'), ...args]
    this.child = spawn(program, rest, {
      cwd: options.cwd ?? root,
      env: { PATH, HOME: '/nonexistent', API_KEY: TEST_KEY, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.child.stdin?.on('error', () => {})
    this.child.stdin?.end(options.input ?? '')
    this.ended = once(this.child, 'close').then(([exit, signal]) => ({ exit, signal }))
  }

  /** Runs it to its end. */
  static async run(args: readonly string[], env?: Readonly<Record<string, string>>, options?: DcmProcessOptions): Promise<DcmRun> {
    await using running = new DcmProcess(args, env, options)
    const { exit } = await running.ended
    return { exit: exit ?? -1, stdout: running.stdout, stderr: running.stderr }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    await this.ended
  }
}
