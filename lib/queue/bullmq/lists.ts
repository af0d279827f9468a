import type { HitStatus } from '../../contract/hit.ts'
import { type HitListPage, RESULT_TTL_SECONDS, type StoredHit } from '../port.ts'
import { JOB_FIELDS, type JobFields, unfinishedHit } from './job-data.ts'
import type { HitKeys } from './keys.ts'
import { type RedisClient, RedisScript } from './lua.ts'
import type { RedisResults } from './results.ts'

/** How many ids one page looks at, at most: among those in line may be many that are pending. */
const MAX_LOOKS = 10_000

const fields = JOB_FIELDS.map((name) => `'${name}'`).join(', ')

/**
 * In line, oldest first: from the end of BullMQ's list to its head, on from ARGV[2] where that is in it still. Where it is not, a
 * worker has taken it, and all before it too, so the line begins anew. Those that a worker had are passed over.
 * ARGV: what a job's id is put behind, the id to go on from or '', hits a page, looks. Returns the last id looked at, '' where
 * none is left, and a row of id and fields for each hit.
 */
const queuedScript = new RedisScript(`local from = redis.call('LLEN', KEYS[1]) - 1
if ARGV[2] ~= '' then
  local at = redis.call('LPOS', KEYS[1], ARGV[2], 'RANK', -1)
  if at then from = at - 1 end
end
local limit, looks, rows, last = tonumber(ARGV[3]), tonumber(ARGV[4]), {}, ''
while from >= 0 and #rows < limit and looks > 0 do
  local ids = redis.call('LRANGE', KEYS[1], math.max(0, from - limit + 1), from)
  for i = #ids, 1, -1 do
    last = ids[i]
    from, looks = from - 1, looks - 1
    local found = redis.call('HMGET', ARGV[1] .. last, ${fields})
    if found[1] and (found[2] or '0') == '0' then
      table.insert(found, 1, last)
      rows[#rows + 1] = found
    end
    if #rows == limit then break end
  end
end
return {from >= 0 and last or '', rows}`)

/**
 * With a worker, or waiting for their next attempt, by when they were accepted: those that a worker gave back, of which BullMQ has
 * no list of its own (see HitKeys.pending), and the active ones that are not among them, which are few.
 * ARGV: what a job's id is put behind, the score and id to go on from or '-inf' and '', hits a page. Returns rows of score, id
 * and fields, up to one more than a page.
 */
const pendingScript = new RedisScript(`local score, id, limit = ARGV[2], ARGV[3], tonumber(ARGV[4])
local function follows(s, i) return score == '-inf' or s > tonumber(score) or (s == tonumber(score) and i > id) end
local rows, gone = {}, {}
local function add(s, i)
  local found = redis.call('HMGET', ARGV[1] .. i, ${fields})
  if found[1] then rows[#rows + 1] = {s, i, found} else gone[#gone + 1] = i end
end
local at = 0
repeat
  local page = redis.call('ZRANGEBYSCORE', KEYS[1], score, '+inf', 'WITHSCORES', 'LIMIT', at, limit + 1)
  for k = 1, #page, 2 do
    local s = tonumber(page[k + 1])
    if follows(s, page[k]) then add(s, page[k]) end
  end
  at = at + limit + 1
until #page == 0 or #rows > limit
for _, i in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  if not redis.call('ZSCORE', KEYS[1], i) then
    local s = tonumber(redis.call('HGET', ARGV[1] .. i, 'timestamp') or '0')
    if follows(s, i) then add(s, i) end
  end
end
for _, i in ipairs(gone) do redis.call('ZREM', KEYS[1], i) end
table.sort(rows, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
local answer = {}
for k = 1, math.min(#rows, limit + 1) do
  answer[k] = {string.format('%.17g', rows[k][1]), rows[k][2], unpack(rows[k][3], 1, ${JOB_FIELDS.length})}
end
return answer`)

/**
 * Ended within the last ARGV[4] ms, newest first, on from below the score ARGV[2] ('+inf' for all).
 * Returns rows of score, id and data; '' for data that is gone.
 */
const endedScript = new RedisScript(`local now = redis.call('TIME')
local since = now[1] * 1000 + now[2] / 1000 - ARGV[4]
local page = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[2], since, 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local rows = {}
for k = 1, #page, 2 do
  rows[#rows + 1] = {page[k + 1], page[k], redis.call('HGET', ARGV[1] .. page[k], 'data') or ''}
end
return rows`)

/** What a script answers, as rows of strings. */
const rowsOf = (answer: unknown): (readonly (string | null)[])[] => (Array.isArray(answer) ? answer.filter((row) => Array.isArray(row)) : [])

/** A cursor: its state, and where in the list of it the page before ended. */
const cursorParts = /^(?<state>[a-z]{6,9})\.(?:(?<score>\d{1,16}(?:\.\d{1,24})?))?(?::(?<id>[0-9a-f-]{36}))?$/

/** Where a cursor of this state goes on; the beginning for anything else. */
function placeOf(state: HitStatus, cursor = ''): { readonly score?: string | undefined; readonly id?: string | undefined } {
  const { state: of, score, id } = cursorParts.exec(cursor)?.groups ?? {}
  return of === state ? { score, id } : {}
}

/** Lists hits by their state. Methods reject with what ioredis rejects with. */
export class RedisLists {
  readonly #redis: RedisClient
  readonly #keys: HitKeys
  readonly #results: RedisResults

  constructor(redis: RedisClient, keys: HitKeys, results: RedisResults) {
    this.#redis = redis
    this.#keys = keys
    this.#results = results
  }

  /** A page of the hits in this state; `cursor` is `next` of the page before, and anything else the beginning. */
  page(state: HitStatus, cursor: string | undefined, limit: number): Promise<HitListPage> {
    if (state === 'queued') return this.#queued(cursor, limit)
    return state === 'pending' ? this.#pending(cursor, limit) : this.#ended(state, cursor, limit)
  }

  async #queued(cursor: string | undefined, limit: number): Promise<HitListPage> {
    const { id: from = '' } = placeOf('queued', cursor)
    const answer = await queuedScript.run(this.#redis, [this.#keys.wait], [this.#keys.base, from, limit, Math.max(limit, MAX_LOOKS)])
    const [last, rows] = Array.isArray(answer) ? answer : []
    const hits = rowsOf(rows).map(([id, ...found]) => hitOf(id, found))
    return page(hits, typeof last === 'string' && last !== '' ? `queued.:${last}` : undefined)
  }

  async #pending(cursor: string | undefined, limit: number): Promise<HitListPage> {
    const { score = '-inf', id: from = '' } = placeOf('pending', cursor)
    const rows = rowsOf(await pendingScript.run(this.#redis, [this.#keys.pending, this.#keys.active], [this.#keys.base, score, from, limit]))
    const hits = rows.slice(0, limit).map(([, id, ...found]) => hitOf(id, found))
    const [reached, id] = rows[limit - 1] ?? []
    return page(hits, rows.length > limit ? `pending.${reached}:${id}` : undefined)
  }

  async #ended(state: 'completed' | 'failed', cursor: string | undefined, limit: number): Promise<HitListPage> {
    const { score } = placeOf(state, cursor)
    // One more than is wanted shows whether there is a next page.
    const args = [this.#keys.base, score === undefined ? '+inf' : `(${score}`, limit + 1, RESULT_TTL_SECONDS * 1000]
    const rows = rowsOf(await endedScript.run(this.#redis, [this.#keys[state]], args))
    const wanted = rows.slice(0, limit)
    const results = new Map((await this.#results.readHeads(wanted.map(([, id]) => id ?? ''))).map((result) => [result.task_id, result]))
    const hits = wanted.flatMap(([, id, data]) => {
      const result = results.get(id ?? '')
      // Its hour is over, or it is queued again since.
      return result === undefined || !data ? [] : [{ job: hitOf(id, [data]).job, result }]
    })
    const [reached] = wanted.at(-1) ?? []
    return page(hits, rows.length > limit ? `${state}.${reached}` : undefined)
  }
}

const hitOf = (taskId: string | null | undefined, found: JobFields): StoredHit => {
  const { job, result } = unfinishedHit(taskId ?? '', found)
  return { job, result }
}

const page = (hits: readonly StoredHit[], next: string | undefined): HitListPage => ({ hits, ...(next === undefined ? {} : { next }) })
