import { QueueUnavailableError } from '../port.ts'
import type { HitKeys } from './keys.ts'
import { type RedisClient, RedisScript } from './lua.ts'

/** Jobs added by one command: Redis does nothing else meanwhile, and whoever else asks it waits (10,000 in one go took 0.4 s and more). */
export const BULK_STEP = 500
/** For how long jobs are laid out before they are queued, in seconds: those of a process that died meanwhile go by themselves. */
export const BULK_SECONDS = 60
/** So much earlier goes their list: as long as that is there, all of them are. */
export const BULK_MARGIN_SECONDS = 10

/** Where the jobs of a bulk are laid out: in the place of the line, its paused form and its marker. */
export type BulkKeys = Pick<HitKeys, 'wait' | 'paused' | 'marker'>

/** @param id which no other bulk has */
export function bulkKeys({ base }: HitKeys, id: string): BulkKeys {
  const line = `${base}bulk:${id}`
  return { wait: line, paused: line, marker: `${line}:marker` }
}

/**
 * Queues all jobs that are laid out, in their order, or none where some are gone.
 * KEYS: their list and its marker, the line, BullMQ's meta and marker. ARGV: what a job's id is put behind, how many. BullMQ keeps
 * a paused queue's jobs in the line too, and only leaves the marker out, which wakes workers.
 */
const queueScript = new RedisScript(`local ids = redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1], KEYS[2])
if #ids ~= tonumber(ARGV[2]) then return 0 end
for i = #ids, 1, -1 do
  redis.call('PERSIST', ARGV[1] .. ids[i])
  redis.call('LPUSH', KEYS[3], ids[i])
end
if redis.call('HEXISTS', KEYS[4], 'paused') == 0 then redis.call('ZADD', KEYS[5], 0, '0') end
return 1`)

/**
 * Queues what was laid out.
 * @throws QueueUnavailableError where it took so long that some are gone: nothing was queued
 */
export async function queueBulk(redis: RedisClient, keys: HitKeys, laid: BulkKeys, count: number): Promise<void> {
  const queued = await queueScript.run(redis, [laid.wait, laid.marker, keys.wait, keys.meta, keys.marker], [keys.base, count])
  if (queued !== 1)
    throw new QueueUnavailableError(`The hit queue is too slow: ${count} hits could not be laid out within ${BULK_SECONDS - BULK_MARGIN_SECONDS} s`, 'refused')
}
