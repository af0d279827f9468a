import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Command } from './protocol.ts'

const MessageSchema = z.union([z.object({ id: z.number(), answer: z.unknown() }), z.object({ id: z.number(), error: z.string() })])

interface Pending {
  resolve(answer: unknown): void
  reject(error: Error): void
}

/** The folder of the programs that run as children. */
const children = fileURLToPath(new URL('../children/', import.meta.url))

/**
 * A child process of the bench that does one job: load, baselines and servers must not share an event loop.
 * Runs by Node's own type stripping, so that no loader is in the way of what is measured; but for what has JSX in it.
 */
export class Child implements AsyncDisposable {
  readonly name: string
  readonly #process: ChildProcess
  readonly #pending = new Map<number, Pending>()
  #calls = 0

  /**
   * @param name of the file in bench/children, without `.ts`
   * @param options.jsx whether it loads what Node.js cannot read by itself: by tsx, which is out of the way once all is loaded
   */
  constructor(name: string, options: { readonly jsx?: boolean } = {}) {
    this.name = name
    this.#process = fork(`${children}${name}.ts`, [], { execArgv: options.jsx ? ['--import', 'tsx'] : [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#process.on('message', (message) => this.#onMessage(MessageSchema.parse(message)))
    this.#process.once('exit', (code, signal) => this.#failAll(new Error(`bench/children/${name}.ts ended with ${signal ?? `code ${code}`}`)))
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error(`bench/children/${this.name}.ts did not start`)
    return this.#process.pid
  }

  /**
   * Asks the child and waits for its answer.
   * @throws Error with what went wrong in the child
   */
  async call<A extends z.ZodType, R extends z.ZodType>(command: Command<A, R>, args: z.input<A>): Promise<z.output<R>> {
    const id = ++this.#calls
    const answer = await new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#process.send({ id, command: command.name, args })
    })
    return command.answer.parse(answer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exit
  }

  #onMessage(message: z.output<typeof MessageSchema>): void {
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if ('error' in message) pending?.reject(new Error(`bench/children/${this.name}.ts: ${message.error}`))
    else pending?.resolve(message.answer)
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }
}
