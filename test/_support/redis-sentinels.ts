import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { until } from '../conformance/harness.ts'
import { freePort, TestRedis } from './redis.ts'
import { TempFolder } from './temp.ts'

const HOST = '127.0.0.1'

/** What the sentinels call the master. */
const MASTER = 'test-master'

/** Two real Redis servers, one the replica of the other, with three real sentinels that watch them. */
export class TestSentinels implements AsyncDisposable {
  /** The master at the beginning, and its replica. */
  readonly servers: readonly [TestRedis, TestRedis]
  /** As REDIS_URL, with the sentinels' own password. */
  readonly url: string
  /** Of the two servers. */
  readonly password = 'p@ss of the servers'
  readonly #folder: TempFolder
  readonly #sentinels: readonly ChildProcess[]

  private constructor(
    servers: readonly [TestRedis, TestRedis],
    ports: readonly number[],
    password: string,
    folder: TempFolder,
    sentinels: readonly ChildProcess[],
  ) {
    this.servers = servers
    this.url = `sentinel://:${encodeURIComponent(password)}@${ports.map((port) => `${HOST}:${port}`).join(',')}/${MASTER}`
    this.#folder = folder
    this.#sentinels = sentinels
  }

  /** Starts them; resolves when the sentinels know each other and the replica. */
  static async start(): Promise<TestSentinels> {
    const password = 'p@ss of the servers'
    const secured = ['--requirepass', password, '--masterauth', password, '--repl-diskless-sync-delay', '0']
    const master = await TestRedis.start(secured)
    const replica = await TestRedis.start([...secured, '--replicaof', HOST, String(master.port)])
    const client = new Redis({ host: HOST, port: master.port, password })
    await until('the replica is one', async () => (await client.info('replication')).includes('state=online'))
    client.disconnect()
    const own = 's:entinel/s'
    const folder = new TempFolder()
    const sentinels: ChildProcess[] = []
    const ports: number[] = []
    for (const index of [1, 2, 3]) {
      const port = await freePort()
      ports.push(port)
      const file = folder.file(`sentinel-${index}.conf`)
      const lines = [
        `port ${port}`,
        `bind ${HOST}`,
        `dir ${folder.path}`,
        `requirepass "${own}"`,
        `sentinel monitor ${MASTER} ${HOST} ${master.port} 2`,
        `sentinel auth-pass ${MASTER} "${password}"`,
        `sentinel sentinel-pass "${own}"`,
        // The third only votes: of three who begin an election at the same moment each would vote for itself.
        `sentinel down-after-milliseconds ${MASTER} ${index === 3 ? 60_000 : 500}`,
        `sentinel failover-timeout ${MASTER} 1000`,
      ]
      writeFileSync(file, `${lines.join('\n')}\n`)
      const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
      process.once('exit', () => void child.kill('SIGKILL'))
      sentinels.push(child)
    }
    for (const port of ports) {
      const client = new Redis({ host: HOST, port, password: own })
      client.on('error', () => {})
      // Their own periods are seconds.
      await client.call('SENTINEL', 'DEBUG', 'PUBLISH-PERIOD', '200', 'INFO-PERIOD', '200', 'PING-PERIOD', '100', 'ASK-PERIOD', '100')
      await until('the sentinels know each other and the replica', async () => {
        const [others, replicas] = await Promise.all([client.call('SENTINEL', 'SENTINELS', MASTER), client.call('SENTINEL', 'REPLICAS', MASTER)]).catch(
          () => [],
        )
        return Array.isArray(others) && others.length === 2 && Array.isArray(replicas) && replicas.length === 1
      })
      client.disconnect()
    }
    return new TestSentinels([master, replica], ports, own, folder, sentinels)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#sentinels) {
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    }
    for (const server of this.servers) await server[Symbol.asyncDispose]()
    this.#folder[Symbol.dispose]()
  }
}
