import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'

/** Below what systems give to connections, so that a port stays free while its server is away. */
const KEPT = { from: 20_000, to: 30_000 }

/**
 * A port that was free a moment ago, and to which a server can come back. One of the kernel's choice may be taken meanwhile by
 * any connection, even by one that is trying to reach that very server: a connection to itself.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(KEPT.from, KEPT.to)
    const server = createServer()
    const listening = new Promise<boolean>((resolve) => server.once('listening', () => resolve(true)).once('error', () => resolve(false)))
    server.listen(port, '127.0.0.1')
    if (!(await listening)) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

/** Settings as on redis-server's command line, `['--appendonly', 'no']`; they come after the usual ones. Some need to know the port. */
export type RedisSettings = readonly string[] | ((port: number) => readonly string[])

/** A real redis-server of a test's own, with AOF, in a folder of its own. It keeps its port and its data over a restart. */
export class TestRedis implements AsyncDisposable {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'dcm-redis-'))
  readonly #settings: RedisSettings
  #process: ChildProcess | undefined
  readonly #end = () => void this.#process?.kill('SIGKILL')

  private constructor(port: number, settings: RedisSettings) {
    this.port = port
    this.#settings = settings
  }

  static async start(settings: RedisSettings = []): Promise<TestRedis> {
    const redis = await TestRedis.prepare(settings)
    await redis.start()
    return redis
  }

  /** One that is not started yet. */
  static async prepare(settings: RedisSettings = []): Promise<TestRedis> {
    return new TestRedis(await freePort(), settings)
  }

  /** Starts it, or starts it again; resolves when it takes commands. */
  async start(): Promise<void> {
    const usual = ['--port', String(this.port), '--bind', this.host, '--dir', this.#folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec']
    const settings = typeof this.#settings === 'function' ? this.#settings(this.port) : this.#settings
    const child = spawn('redis-server', [...usual, ...settings], { stdio: ['ignore', 'pipe', 'ignore'] })
    this.#process = child
    // A test that times out never gets to its disposal.
    process.once('exit', this.#end)
    child.once('exit', () => process.off('exit', this.#end))
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.includes('Ready to accept connections')) continue
      child.stdout.resume()
      return
    }
    throw new Error(`Cannot start redis-server on port ${this.port}: it ended with code ${child.exitCode}. Is redis-server 7 on the PATH?`)
  }

  /** Changes a setting of the running server. */
  async config(name: string, value: string): Promise<void> {
    const client = new Redis({ host: this.host, port: this.port })
    await client.config('SET', name, value)
    client.disconnect()
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  /** kill -9, and everything that it kept is gone. */
  async forget(): Promise<void> {
    await this.kill()
    for (const name of readdirSync(this.#folder)) rmSync(join(this.#folder, name), { recursive: true, force: true })
  }

  /** SIGSTOP: connections stay open and nothing answers. */
  hang(): void {
    this.#process?.kill('SIGSTOP')
  }

  /** Ends {@link hang}. */
  wake(): void {
    this.#process?.kill('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
