import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from './port.ts'

const program = 'redis-server'

/** The version of the installed redis-server; undefined where there is none. */
export function redisVersion(): string | undefined {
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return error === undefined ? /v=(\S+)/.exec(stdout)?.[1] : undefined
}

/** A Redis of the bench's own, with AOF everysec, which compose.yaml runs too. */
export class BenchRedis implements AsyncDisposable {
  readonly port: number
  readonly #process: ChildProcess
  readonly #clients: readonly Redis[]

  private constructor(port: number, child: ChildProcess) {
    this.port = port
    this.#process = child
    this.#clients = [0, 1].map((db) => new Redis({ host: '127.0.0.1', port, db }))
  }

  /** @param folder where its files go */
  static async start(folder: string): Promise<BenchRedis> {
    const port = await freePort()
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec']
    const child = spawn(program, settings, { stdio: ['ignore', 'pipe', 'ignore'] })
    const onExit = () => void child.kill('SIGKILL')
    process.once('exit', onExit)
    child.once('exit', () => process.off('exit', onExit))
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.includes('Ready to accept connections')) continue
      child.stdout.resume()
      return new BenchRedis(port, child)
    }
    throw new Error(`redis-server on port ${port} ended with code ${child.exitCode}`)
  }

  /** Forgets everything, so that each round starts with the same. */
  async flush(): Promise<void> {
    await this.#clients[0]?.flushall()
  }

  /** A value of database 0. */
  async value(key: string): Promise<string | null> {
    return (await this.#clients[0]?.get(key)) ?? null
  }

  /** Waits until it does not rewrite its append-only file any more. */
  async atRest(): Promise<void> {
    while (/aof_rewrite_(?:in_progress|scheduled):1/.test((await this.#clients[0]?.info('persistence')) ?? '')) await delay(50)
  }

  /** Jobs of a BullMQ queue in database 1 that have not ended. */
  async unfinished(queue: string): Promise<number> {
    const lengths = await Promise.all(['wait', 'active'].map((list) => this.#clients[1]?.llen(`bull:${queue}:${list}`) ?? 0))
    return lengths.reduce((sum, length) => sum + length, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.disconnect()
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exit
  }
}
