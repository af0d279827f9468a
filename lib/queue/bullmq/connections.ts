import { Cluster, type ClusterNode, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import type { Outage } from '../outage.ts'
import { awayReason } from './away.ts'
import type { RedisClient } from './lua.ts'
import {
  addressOf,
  type ClusterSettings,
  clusterSettings,
  credentials,
  impatient,
  patient,
  type RedisTarget,
  type ServerSettings,
  SILENCE_MS,
  serverSettings,
  single,
} from './settings.ts'

const isCluster = (target: RedisTarget): boolean => addressOf(target).kind === 'cluster'
const clusterNodes = (target: RedisTarget): ClusterNode[] => [...addressOf(target).hosts]

type OnError = (error: Error) => void

/**
 * A connection that sends its first command of a turn of the event loop at once, and the others of that turn together: hits that
 * end, and hits that come in, do so in bunches, and each write is a system call here and one there, a tenth of what a hit costs.
 */
class BunchingRedis extends Redis {
  #corked = false

  override sendCommand(...command: Parameters<Redis['sendCommand']>): unknown {
    const sent = super.sendCommand(...command)
    const { stream } = this
    if (!this.#corked && stream?.writable) {
      this.#corked = true
      stream.cork()
      setImmediate(() => {
        this.#corked = false
        stream.uncork()
      })
    }
    return sent
  }
}

/**
 * What a node of a Cluster says to a connection of its own: of why none could be made the client of a Cluster tells only that
 * it is closed.
 */
function nodeReason(target: RedisTarget): Promise<Error | undefined> {
  const client = new Redis({ ...addressOf(target).hosts[0], ...credentials(target, addressOf(target)), ...single })
  return new Promise<Error | undefined>((resolve) => {
    client.once('error', resolve)
    client.once('ready', () => resolve(undefined))
    client.once('end', () => resolve(undefined))
  }).finally(() => client.disconnect())
}

/** Tells an outage of the errors of a connection. */
function telling(target: RedisTarget, outage: Outage): OnError {
  if (!isCluster(target)) return (error) => outage.down(awayReason(error))
  return async (error) => {
    const reason = awayReason(error)
    const unsaid = reason === error || (reason instanceof Error && reason.message === 'Connection is closed.')
    outage.down(!outage.isDown && unsaid ? ((await nodeReason(target)) ?? reason) : reason)
  }
}

/** Opens a connection for commands that somebody waits for. It connects in the background, and again after each loss. */
export function openClient(target: RedisTarget, db: number, outage: Outage): RedisClient {
  const client = isCluster(target)
    ? new Cluster(clusterNodes(target), clusterSettings(target, impatient))
    : new BunchingRedis(serverSettings(target, db, impatient))
  client.on('error', telling(target, outage))
  return client
}

/** The worker's connection, and how it is ended at once, whatever state it is in. */
export interface WorkerConnection {
  readonly redis: RedisClient
  end(): void
}

/** The worker's connection to a Redis. BullMQ copies it for its blocking command; a copy that it cannot close by itself is closed here. */
class WorkerRedis extends BunchingRedis {
  readonly copies: Redis[] = []
  readonly #onError: OnError

  constructor(options: ServerSettings, onError: OnError) {
    super(options)
    this.#onError = onError
    this.on('error', onError)
  }

  override duplicate(override?: Partial<RedisOptions>): Redis {
    const copy = super.duplicate({ ...override, socketTimeout: SILENCE_MS.blocking })
    copy.on('error', this.#onError)
    this.copies.push(copy)
    return copy
  }
}

/** The same for a Cluster. */
class WorkerCluster extends Cluster {
  readonly copies: Cluster[] = []
  readonly #nodes: ClusterNode[]
  readonly #options: ClusterSettings
  readonly #onError: OnError

  constructor(nodes: ClusterNode[], options: ClusterSettings, onError: OnError) {
    super(nodes, options)
    this.#nodes = nodes
    this.#options = options
    this.#onError = onError
    this.on('error', onError)
  }

  override duplicate(_nodes?: ClusterNode[], override?: ClusterOptions): Cluster {
    const { replyMapping: _, ...node } = override?.redisOptions ?? {}
    const redisOptions = { ...this.#options.redisOptions, ...node, socketTimeout: SILENCE_MS.blocking }
    const copy = new Cluster(this.#nodes, { ...this.#options, redisOptions })
    copy.on('error', this.#onError)
    this.copies.push(copy)
    return copy
  }
}

/** Opens the connection of a worker. */
export function openWorkerConnection(target: RedisTarget, outage: Outage): WorkerConnection {
  const onError = telling(target, outage)
  const redis = isCluster(target)
    ? new WorkerCluster(clusterNodes(target), clusterSettings(target, patient), onError)
    : new WorkerRedis(serverSettings(target, target.queueDb, patient), onError)
  return {
    redis,
    end: () => {
      for (const client of [redis, ...redis.copies]) client.disconnect()
    },
  }
}
