import { Cluster, type Redis } from 'ioredis'
import type { QueueHealth } from '../port.ts'
import { readCounts } from './counts.ts'
import type { HitKeys } from './keys.ts'
import type { RedisClient } from './lua.ts'

/** Written and left to expire, to see whether Redis takes writes: a full or read-only one answers a PING all the same. */
const PROBE_KEY = 'worker:hit:probe'

/** Where the same is seen of the node of a Cluster that has the queue: the key lies there by its braces. */
const QUEUE_PROBE_KEY = '{bull}:hits:probe'

/** Rejects where one of the connections cannot write. */
export async function probe(clients: readonly RedisClient[]): Promise<void> {
  const keys = (client: RedisClient) => (client instanceof Cluster ? [PROBE_KEY, QUEUE_PROBE_KEY] : [PROBE_KEY])
  await Promise.all([...new Set(clients)].flatMap((client) => keys(client).map((key) => client.set(key, '1', 'EX', 10))))
}

/** The fields of an INFO answer. */
const infoFields = (info: string): Map<string, string> =>
  new Map(info.split('\r\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))

/** What one server says of itself; nothing where it cannot be asked, as with many hosted ones. */
interface ServerFacts {
  readonly warnings: readonly string[]
  /** How it writes its log of commands to the disk, where it keeps one. */
  readonly appendfsync?: string
}

async function factsOf(redis: Redis, name: string): Promise<ServerFacts> {
  const [info, save, fsync] = await Promise.all([
    redis.info('persistence', 'memory').then(infoFields, () => new Map<string, string>()),
    setting(redis, 'save'),
    setting(redis, 'appendfsync'),
  ])
  const warnings: string[] = []
  if (info.get('aof_enabled') === '0' && save === '') {
    warnings.push(`${name} keeps nothing on disk (neither AOF nor RDB): its restart loses every queued hit. Set appendonly yes`)
  }
  const policy = info.get('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push(`${name} may evict queued hits: its maxmemory-policy is ${policy}. Set it to noeviction`)
  }
  return { warnings, ...(info.get('aof_enabled') === '1' && fsync !== undefined ? { appendfsync: fsync } : {}) }
}

async function setting(redis: Redis, name: string): Promise<string | undefined> {
  const answer = await redis.config('GET', name).catch(() => undefined)
  return Array.isArray(answer) ? String(answer[1] ?? '') : undefined
}

/** The servers that hold the hits: one, or all nodes of a Cluster. By Sentinel it is the master of this moment. */
function serversOf(client: RedisClient): { readonly redis: Redis; readonly name: string }[] {
  if (!(client instanceof Cluster)) return [{ redis: client, name: 'Redis' }]
  return client.nodes('all').map((redis) => ({ redis, name: `Redis at ${redis.options.host}:${redis.options.port}` }))
}

/** How weak a promise is: the weakest of a Cluster's nodes counts. */
const promises = ['no', 'everysec', 'always']

/**
 * The engine's health, as far as Redis answers. Never rejects; the commands are bounded by the client's timeout.
 * @param reason why Redis is away, where an outage is known
 */
export async function redisHealth(
  clients: readonly [queue: RedisClient, results: RedisClient],
  keys: HitKeys,
  reason: () => string | undefined,
): Promise<QueueHealth> {
  try {
    const [, { queued, active, delayed }, facts] = await Promise.all([
      probe(clients),
      readCounts(clients[0], keys),
      Promise.all(serversOf(clients[0]).map(({ redis, name }) => factsOf(redis, name))),
    ])
    const syncs = facts.flatMap(({ appendfsync }) => appendfsync ?? [])
    const [weakest] = syncs.sort((one, other) => promises.indexOf(one) - promises.indexOf(other))
    return {
      engine: 'redis',
      ok: true,
      warnings: facts.flatMap(({ warnings }) => warnings),
      counts: { queued, active, delayed },
      ...(weakest === undefined ? {} : { appendfsync: weakest }),
    }
  } catch (error) {
    return { engine: 'redis', ok: false, warnings: [`Redis cannot be used: ${reason() ?? (error instanceof Error ? error.message : String(error))}`] }
  }
}
