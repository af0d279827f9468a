import type { Redis } from 'ioredis'
import type { QueueHealth } from '../port.ts'
import type { RedisJobs } from './jobs.ts'

/** Written and left to expire, to see whether Redis takes writes: a full or read-only one answers a PING all the same. */
const PROBE_KEY = 'worker:hit:probe'

/** Rejects where one of the connections cannot write. */
export async function probe(clients: readonly Redis[]): Promise<void> {
  await Promise.all(clients.map((client) => client.set(PROBE_KEY, '1', 'EX', 10)))
}

/** The fields of an INFO answer. */
const infoFields = (info: string): Map<string, string> =>
  new Map(info.split('\r\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))

/** What makes this Redis unfit for hits; empty where it cannot be asked, as with many hosted ones. */
async function warningsOf(redis: Redis): Promise<string[]> {
  const info = infoFields(await redis.info('persistence', 'memory').catch(() => ''))
  const save = await redis.config('GET', 'save').catch(() => undefined)
  const warnings: string[] = []
  const snapshots = Array.isArray(save) ? String(save[1] ?? '') : 'unknown'
  if (info.get('aof_enabled') === '0' && snapshots === '') {
    warnings.push('Redis keeps nothing on disk (neither AOF nor RDB): its restart loses every queued hit. Set appendonly yes')
  }
  const policy = info.get('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push(`Redis may evict queued hits: its maxmemory-policy is ${policy}. Set it to noeviction`)
  }
  return warnings
}

/**
 * The engine's health, as far as Redis answers. Never rejects; the commands are bounded by the client's timeout.
 * @param reason why Redis is away, where an outage is known
 */
export async function redisHealth(clients: readonly [queue: Redis, results: Redis], jobs: RedisJobs, reason: () => string | undefined): Promise<QueueHealth> {
  try {
    const [, counts, warnings] = await Promise.all([probe(clients), jobs.counts(), warningsOf(clients[0])])
    return { engine: 'redis', ok: true, warnings, counts }
  } catch (error) {
    return { engine: 'redis', ok: false, warnings: [`Redis cannot be used: ${reason() ?? (error instanceof Error ? error.message : String(error))}`] }
  }
}
