import { moveToFinished } from 'bullmq/dist/cjs/scripts/index.js'
import { aroundBullmq } from './lua.ts'

/**
 * The end of a hit, all at once: its result is stored, BullMQ's own script takes the job out of the active ones and gives the
 * next, and the ended job stays beside the result for as long as that, with its idempotency key and a place in the list of
 * the ended. Whatever dies, both have happened or neither.
 *
 * The result is stored whether or not the lock is still held (the request was made), and the first result of a run stands: the
 * job then ends in the state of the result that stands. The lists are ordered by Redis' clock, in ms with fractions, which
 * no two ends share; what ended longer ago than a result lives is dropped from them.
 *
 * ARGV after BullMQ's: 10 the result's key ('' where it is stored already), 11 the result, 12 and 13 the databases of the
 * results and of the queue ('' where they are one), 14 seconds that all is kept, 15 `finished_at` of the result that may be
 * replaced ('' for none), 16 the digest of the idempotency key ('' for none).
 * Returns the result that stands in place of the given one, or nil, and what BullMQ's script returned.
 */
export const finishScript = aroundBullmq(
  moveToFinished,
  `local id, prefix, ttl = ARGV[1], ARGV[7], tonumber(ARGV[14])
local stands = false
if ARGV[10] ~= '' then
  if ARGV[12] ~= '' then redis.call('SELECT', ARGV[12]) end
  if not redis.call('SET', ARGV[10], ARGV[11], 'EX', ttl, 'NX') then
    local found = redis.call('GET', ARGV[10])
    local read, before = pcall(cjson.decode, found)
    read = read and type(before) == 'table'
    if read and ARGV[15] ~= '' and before.finished_at == ARGV[15] then
      redis.call('SET', ARGV[10], ARGV[11], 'EX', ttl)
    else
      stands = found
      local failed = not read or before.status == 'failed'
      ARGV[3] = failed and 'failedReason' or 'returnvalue'
      ARGV[4] = read and type(before.finished_at) == 'string' and before.finished_at or ''
      ARGV[5] = failed and 'failed' or 'completed'
      KEYS[11] = prefix .. ARGV[5]
    end
  end
  if ARGV[12] ~= '' then redis.call('SELECT', ARGV[13]) end
end
local reply = bullmq(KEYS, ARGV)
if type(reply) == 'table' or reply >= 0 then
  local now = redis.call('TIME')
  local ended = now[1] * 1000 + now[2] / 1000
  redis.call('ZADD', KEYS[11], ended, id)
  redis.call('ZREMRANGEBYSCORE', KEYS[11], '-inf', ended - ttl * 1000)
  redis.call('EXPIRE', KEYS[11], ttl)
  redis.call('EXPIRE', KEYS[12], ttl)
  redis.call('ZREM', prefix .. 'pending', id)
  if ARGV[16] ~= '' then redis.call('SET', prefix .. 'de:' .. ARGV[16], id, 'EX', ttl) end
end
return {stands, reply}`,
)
