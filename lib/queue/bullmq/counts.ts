import { type QueueCounts, RESULT_TTL_SECONDS } from '../port.ts'
import type { HitKeys } from './keys.ts'
import { type RedisClient, RedisScript } from './lua.ts'

/** All counts at one moment; of the ended those of the last ARGV[2] ms, by Redis' clock, as finish.ts lists them. */
const countsScript = new RedisScript(`local now = redis.call('TIME')
local since = now[1] * 1000 + now[2] / 1000 - ARGV[2]
local first = redis.call('LINDEX', KEYS[1], -1)
return {
  redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[2]),
  redis.call('LLEN', KEYS[3]),
  redis.call('ZCARD', KEYS[4]),
  redis.call('ZCOUNT', KEYS[5], since, '+inf'),
  redis.call('ZCOUNT', KEYS[6], since, '+inf'),
  redis.call('HEXISTS', KEYS[7], 'paused'),
  first and redis.call('HGET', ARGV[1] .. first, 'timestamp')
}`)

/** How many hits there are by where they stand. */
export async function readCounts(redis: RedisClient, keys: HitKeys): Promise<QueueCounts> {
  const { wait, paused: waiting, active: running, delayed: later, completed: good, failed: bad, meta, base } = keys
  const answer = await countsScript.run(redis, [wait, waiting, running, later, good, bad, meta], [base, RESULT_TTL_SECONDS * 1000])
  if (!Array.isArray(answer)) throw new Error(`Redis answered a count with ${JSON.stringify(answer)}`)
  const [queued, active, delayed, completed, failed, paused] = answer.map(Number)
  const first: unknown = answer[6]
  return {
    queued: queued ?? 0,
    active: active ?? 0,
    delayed: delayed ?? 0,
    completed: completed ?? 0,
    failed: failed ?? 0,
    paused: paused === 1,
    // Its fraction keeps the order of hits of one ms.
    ...(typeof first === 'string' ? { oldest_queued_at: Math.floor(Number(first)) } : {}),
  }
}
