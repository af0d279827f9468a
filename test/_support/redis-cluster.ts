import { Redis } from 'ioredis'
import { until } from '../conformance/harness.ts'
import { freePort, TestRedis } from './redis.ts'
import type { TestTls } from './redis-tls.ts'

const SLOTS = 16_384

/** A real Redis Cluster of a test's own: masters without replicas. */
export class TestCluster implements AsyncDisposable {
  readonly nodes: readonly TestRedis[]
  /** The one that has the queue. */
  readonly queueNode: TestRedis
  /** As REDIS_URL. */
  readonly url: string
  readonly #clients: readonly Redis[]
  readonly #started: AsyncDisposableStack

  private constructor(nodes: readonly TestRedis[], queueNode: TestRedis, clients: readonly Redis[], started: AsyncDisposableStack) {
    this.nodes = nodes
    this.queueNode = queueNode
    this.#clients = clients
    this.#started = started
    this.url = `cluster://${nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`
  }

  /**
   * Starts it; resolves when every node says that it is whole.
   * @param options.masters how many nodes there are
   * @param options.tls what a node needs to be reached by TLS only, and a client to reach it
   */
  static async start({ masters = 3, tls }: { readonly masters?: number; readonly tls?: TestTls } = {}): Promise<TestCluster> {
    await using stack = new AsyncDisposableStack()
    const buses: number[] = []
    const nodes: TestRedis[] = []
    for (let node = 0; node < masters; node += 1) {
      const bus = await freePort()
      buses.push(bus)
      const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '2000']
      nodes.push(stack.use(await TestRedis.start((port) => [...cluster, ...(tls === undefined ? [] : [...tls.settings(port), '--tls-cluster', 'yes'])])))
    }
    const clients = nodes.map(({ host, port }) => new Redis({ host, port, ...(tls === undefined ? {} : { tls: { ca: tls.ca } }) }))
    for (const client of clients) {
      // A test kills a node.
      client.on('error', () => {})
      stack.defer(() => client.disconnect())
    }
    const [first] = clients
    for (const [index, client] of clients.entries()) {
      const [from, to] = [index, index + 1].map((share) => Math.floor((share * SLOTS) / masters))
      await client.cluster('ADDSLOTSRANGE', from ?? 0, (to ?? 0) - 1)
      await client.cluster('SET-CONFIG-EPOCH', index + 1)
      const { host, port } = nodes[index] ?? { host: '', port: 0 }
      if (index > 0) await first?.call('CLUSTER', 'MEET', host, String(port), String(buses[index]))
    }
    const whole = async (client: Redis) =>
      String(await client.cluster('INFO')).includes('cluster_state:ok') && String(await client.cluster('NODES')).split('\n').length === masters + 1
    for (const client of clients) await until('the cluster is whole', () => whole(client))
    const queueNode = nodes[Math.floor((Number(await first?.cluster('KEYSLOT', '{bull}')) * masters) / SLOTS)]
    if (queueNode === undefined) throw new Error('no node has the slot of the queue')
    return new TestCluster(nodes, queueNode, clients, stack.move())
  }

  /** Forgets everything that is stored. */
  async flush(): Promise<void> {
    for (const client of this.#clients) await client.flushall()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started.disposeAsync()
  }
}
