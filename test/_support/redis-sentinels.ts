import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { until } from '../conformance/harness.ts'
import { freePort, TestRedis } from './redis.ts'
import { TempFolder } from './temp.ts'

const HOST = '127.0.0.1'

/** What the sentinels call the master. */
const MASTER = 'test-master'

const PASSWORD = 'p@ss of the servers'
/** The sentinels' own. */
const OWN_PASSWORD = 's:entinel/s'

/** Two real Redis servers, one the replica of the other, with three real sentinels that watch them. */
export class TestSentinels implements AsyncDisposable {
  /** The master at the beginning, and its replica. */
  readonly servers: readonly [TestRedis, TestRedis]
  /** As REDIS_URL, with the sentinels' own password. */
  readonly url: string
  /** Of the two servers. */
  readonly password = PASSWORD
  readonly #started: AsyncDisposableStack

  private constructor(servers: readonly [TestRedis, TestRedis], ports: readonly number[], started: AsyncDisposableStack) {
    this.servers = servers
    this.url = `sentinel://:${encodeURIComponent(OWN_PASSWORD)}@${ports.map((port) => `${HOST}:${port}`).join(',')}/${MASTER}`
    this.#started = started
  }

  /** Starts them; resolves when the sentinels know each other and the replica. */
  static async start(): Promise<TestSentinels> {
    await using stack = new AsyncDisposableStack()
    const secured = ['--requirepass', PASSWORD, '--masterauth', PASSWORD, '--repl-diskless-sync-delay', '0']
    const master = stack.use(await TestRedis.start(secured))
    const replica = stack.use(await TestRedis.start([...secured, '--replicaof', HOST, String(master.port)]))
    const client = new Redis({ host: HOST, port: master.port, password: PASSWORD })
    // A test kills it.
    client.on('error', () => {})
    stack.defer(() => client.disconnect())
    await until('the replica is one', async () => (await client.info('replication')).includes('state=online'))
    const folder = stack.use(new TempFolder())
    const ports: number[] = []
    for (const index of [1, 2, 3]) {
      const port = await freePort()
      ports.push(port)
      const file = folder.file(`sentinel-${index}.conf`)
      writeFileSync(file, `${sentinelLines({ index, port, folder: folder.path, watches: master.port }).join('\n')}\n`)
      stack.use(startSentinel(file))
    }
    for (const port of ports) await whole(port)
    return new TestSentinels([master, replica], ports, stack.move())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started.disposeAsync()
  }
}

/** What a sentinel's file says. */
const sentinelLines = ({
  index,
  port,
  folder,
  watches,
}: {
  readonly index: number
  readonly port: number
  readonly folder: string
  readonly watches: number
}) => [
  `port ${port}`,
  `bind ${HOST}`,
  `dir ${folder}`,
  `requirepass "${OWN_PASSWORD}"`,
  `sentinel monitor ${MASTER} ${HOST} ${watches} 2`,
  `sentinel auth-pass ${MASTER} "${PASSWORD}"`,
  `sentinel sentinel-pass "${OWN_PASSWORD}"`,
  // The third only votes: of three who begin an election at the same moment each would vote for itself.
  `sentinel down-after-milliseconds ${MASTER} ${index === 3 ? 60_000 : 500}`,
  `sentinel failover-timeout ${MASTER} 1000`,
]

/** Starts a sentinel; it is killed at the end. */
export function startSentinel(file: string): AsyncDisposable {
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  const end = () => void child.kill('SIGKILL')
  // A test that times out never gets to its disposal.
  process.once('exit', end)
  return {
    [Symbol.asyncDispose]: async () => {
      process.off('exit', end)
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** Resolves when this sentinel knows the others and the replica. */
async function whole(port: number): Promise<void> {
  const client = new Redis({ host: HOST, port, password: OWN_PASSWORD })
  client.on('error', () => {})
  try {
    // Their own periods are seconds.
    await client.call('SENTINEL', 'DEBUG', 'PUBLISH-PERIOD', '200', 'INFO-PERIOD', '200', 'PING-PERIOD', '100', 'ASK-PERIOD', '100')
    await until('the sentinels know each other and the replica', async () => {
      const asked = [client.call('SENTINEL', 'SENTINELS', MASTER), client.call('SENTINEL', 'REPLICAS', MASTER)]
      const [others, replicas] = await Promise.all(asked).catch(() => [])
      return Array.isArray(others) && others.length === 2 && Array.isArray(replicas) && replicas.length === 1
    })
  } finally {
    client.disconnect()
  }
}
