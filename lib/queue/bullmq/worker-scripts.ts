import { moveJobFromActiveToWait, moveStalledJobsToWait, moveToActive, moveToDelayed } from 'bullmq/dist/cjs/scripts/index.js'
import { aroundBullmq, type RedisScript } from './lua.ts'

/** Lists a hit among those that a worker had and has given back, by when it was accepted; see `HitKeys.pending`. */
const pend = `local function pend(prefix, id)
  redis.call('ZADD', prefix .. 'pending', redis.call('HGET', prefix .. id, 'timestamp') or 0, id)
end
`

const pendGivenBack = 'if reply >= 0 then pend(string.sub(ARGV[3], 1, -#ARGV[1] - 1), ARGV[1]) end'

/** The scripts of BullMQ's worker that run in another form here, by their names: those that take a job out of the active ones without ending it, list it too. */
export const workerScripts: ReadonlyMap<string, { readonly script: RedisScript; readonly keys: number }> = new Map(
  [
    { bullmq: moveToActive, listing: '' },
    { bullmq: moveToDelayed, listing: "if type(reply) == 'table' or reply >= 0 then pend(ARGV[1], ARGV[3]) end" },
    { bullmq: moveJobFromActiveToWait, listing: pendGivenBack },
    { bullmq: moveStalledJobsToWait, listing: 'for _, id in ipairs(reply) do pend(ARGV[2], id) end' },
  ].map(({ bullmq, listing }) => [
    bullmq.name,
    { keys: bullmq.keys, script: aroundBullmq(bullmq, `${pend}local reply = bullmq(KEYS, ARGV)\n${listing}\nreturn reply`) },
  ]),
)

/** As moveJobFromActiveToWait, for a job that did not begin: this start does not count, and the job is pending only where another one does. */
export const putBackScript = aroundBullmq(
  moveJobFromActiveToWait,
  `${pend}local reply = bullmq(KEYS, ARGV)
if reply >= 0 and redis.call('HINCRBY', ARGV[3], 'ats', -1) <= 0 then return reply end
${pendGivenBack}
return reply`,
)
