import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('Cannot find a free port: the server has no address')
  return address.port
}

/** A real redis-server of a test's own, with AOF, in a folder of its own. It keeps its port and its data over a restart. */
export class TestRedis implements AsyncDisposable {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'dcm-redis-'))
  readonly #settings: readonly string[]
  #process: ChildProcess | undefined
  readonly #end = () => void this.#process?.kill('SIGKILL')

  private constructor(port: number, settings: readonly string[]) {
    this.port = port
    this.#settings = settings
  }

  /** @param settings as on redis-server's command line, `['--appendonly', 'no']`; they come after the usual ones */
  static async start(settings: readonly string[] = []): Promise<TestRedis> {
    const redis = await TestRedis.prepare(settings)
    await redis.start()
    return redis
  }

  /** One that is not started yet. */
  static async prepare(settings: readonly string[] = []): Promise<TestRedis> {
    return new TestRedis(await freePort(), settings)
  }

  /** Starts it, or starts it again; resolves when it takes commands. */
  async start(): Promise<void> {
    const usual = ['--port', String(this.port), '--bind', this.host, '--dir', this.#folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec']
    const child = spawn('redis-server', [...usual, ...this.#settings], { stdio: ['ignore', 'pipe', 'ignore'] })
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

  /** kill -9. */
  async kill(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
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
