import { rememberFor } from '#lib/http/operational.ts'
import { slowSeconds } from '#lib/observe/metrics/distribution.ts'
import { each, type Family, one, type Sample } from '#lib/observe/metrics/family.ts'
import type { WorkerDeps } from './deps.ts'

type Parts = Pick<WorkerDeps, 'queue' | 'holder' | 'destinations' | 'tallies' | 'requests' | 'config' | 'clock'>

/** How long the numbers of the queue are told again, in ms: several families are read from them, and several may ask. */
const REMEMBER_MS = 250
/** How long the queue may take to count, in ms; one that takes longer is told to be away. */
const COUNT_MS = 700

/** Samples under two labels. */
const outcomes = (outcome: string, numbers: ReadonlyMap<string, number>): readonly Sample[] =>
  [...numbers].map(([error_class, value]) => ({ labels: { outcome, error_class }, value }))

/** What is told of the queue; what cannot be asked is absent, and `dcm_hit_queue_up` says so. */
function queueFamilies({ queue, config, clock }: Pick<Parts, 'queue' | 'config' | 'clock'>): readonly Family[] {
  const counts = rememberFor(REMEMBER_MS, async () => {
    const waiting = new AbortController()
    const late = clock.sleep(COUNT_MS, waiting.signal).then(() => undefined)
    const asked = queue.counts().catch(() => undefined)
    const answer = await Promise.race([asked, late])
    waiting.abort()
    return answer
  })
  return [
    {
      name: 'dcm_hit_queue_info',
      type: 'gauge',
      help: 'Always 1: the engine of the queue, `redis` or `embedded`.',
      labels: ['engine'],
      read: () => [{ labels: { engine: queue.engine }, value: 1 }],
    },
    {
      name: 'dcm_hit_queue_up',
      type: 'gauge',
      help: '1 where the queue could be asked, else 0: Redis is away, or the file cannot be read.',
      read: async () => one((await counts()) === undefined ? 0 : 1),
    },
    {
      name: 'dcm_hit_queue_depth',
      type: 'gauge',
      help: 'Hits by where they stand: `queued` in line, `active` under way, `delayed` until their next attempt or for their destination. On Redis, of all workers on it.',
      labels: ['state'],
      read: async () => {
        const known = await counts()
        return known === undefined ? [] : each('state', { queued: known.queued, active: known.active, delayed: known.delayed })
      },
    },
    {
      name: 'dcm_hit_queue_oldest_seconds',
      type: 'gauge',
      unit: 'seconds',
      help: 'How long the hit that is first in line has waited since it was accepted; 0 where none waits.',
      read: async () => {
        const known = await counts()
        if (known === undefined) return []
        return one(known.oldest_queued_at === undefined ? 0 : Math.max(0, clock.now() - known.oldest_queued_at) / 1000)
      },
    },
    {
      name: 'dcm_hit_queue_paused',
      type: 'gauge',
      help: '1 while hits are paused, else 0.',
      read: async () => {
        const known = await counts()
        return known === undefined ? [] : one(known.paused ? 1 : 0)
      },
    },
    {
      name: 'dcm_hit_queue_max_backlog',
      type: 'gauge',
      help: 'How many hits may wait (`HIT_MAX_BACKLOG`).',
      read: () => one(config.maxBacklog),
    },
  ]
}

/** All that the worker tells of itself, but for its process. */
export function workerFamilies(parts: Parts): readonly Family[] {
  const { holder, destinations, tallies, requests } = parts
  return [
    {
      name: 'dcm_worker_config_version',
      type: 'gauge',
      help: 'The version of the config held; absent before the first.',
      read: () => one(holder.current?.version),
    },
    {
      name: 'dcm_hits_accepted_total',
      type: 'counter',
      help: 'Hits that were queued by this worker, scheduled ones included.',
      read: () => one(tallies.accepted),
    },
    {
      name: 'dcm_hits_refused_total',
      type: 'counter',
      help: 'Hits that were not queued: `backlog_full`, `queue_unavailable`, or `nothing_to_hit` (no config, or none with a url).',
      labels: ['reason'],
      read: () => each('reason', Object.fromEntries(tallies.refused)),
    },
    {
      name: 'dcm_hits_total',
      type: 'counter',
      help: 'Hits that this worker has ended, by outcome (`completed`, `failed`) and error class (`none` where completed).',
      labels: ['outcome', 'error_class'],
      read: () => [...outcomes('completed', tallies.completed), ...outcomes('failed', tallies.failed)],
    },
    {
      name: 'dcm_hit_attempts_total',
      type: 'counter',
      help: 'Attempts that counted, by error class; `none` where the attempt completed its hit.',
      labels: ['error_class'],
      read: () => each('error_class', Object.fromEntries(tallies.attempts)),
    },
    { name: 'dcm_hit_retries_total', type: 'counter', help: 'Attempts that failed and are followed by another.', read: () => one(tallies.retries) },
    {
      name: 'dcm_hit_wait_seconds',
      type: 'histogram',
      unit: 'seconds',
      help: 'From a hit being accepted to its first attempt.',
      bounds: slowSeconds,
      read: () => [{ of: tallies.waitSeconds }],
    },
    {
      name: 'dcm_hit_attempt_duration_seconds',
      type: 'histogram',
      unit: 'seconds',
      help: 'How long each attempt took that counted.',
      bounds: slowSeconds,
      read: () => [{ of: tallies.attemptSeconds }],
    },
    {
      name: 'dcm_hit_duration_seconds',
      type: 'histogram',
      unit: 'seconds',
      help: 'From a hit being accepted to its end, waits and retries included.',
      bounds: slowSeconds,
      read: () => [{ of: tallies.hitSeconds }],
    },
    ...queueFamilies(parts),
    {
      name: 'dcm_hit_circuits_open',
      type: 'gauge',
      help: 'Destinations that did not answer several times in a row, so that their hits wait.',
      read: () => one(destinations.openCircuits()),
    },
    ...requests.families,
  ]
}
