import { HitAcceptedSchema, type HitStatus } from '#lib/contract/hit.ts'
import { BulkHitsSchema, BulkRetrySchema, type HitStats, HitStatsSchema, HitsPageSchema, type ListedHit, PausedSchema } from '#lib/contract/hits.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { gather } from '../pages.ts'

/** `dcm hits list`. */
export async function listHits(context: Context, options: { readonly state?: HitStatus; readonly limit: number }): Promise<number> {
  const { settings, output } = context
  const { items, next } = await gather<ListedHit, string>(options.limit, undefined, async (cursor, limit) => {
    const query = { limit: String(limit), ...(options.state ? { state: options.state } : {}), ...(cursor === undefined ? {} : { cursor }) }
    const page = await ask(settings.workerUrl, () => context.worker().hits.$get({ query }), HitsPageSchema)
    return { items: page.hits, next: page.next_cursor }
  })
  output.result({ hits: items, ...(next === undefined ? {} : { next_cursor: next }) }, () =>
    output.table(
      ['TASK', 'STATUS', 'ANSWER', 'TRIES', 'VERSION', 'QUEUED', 'URL'],
      items.map((one) => [one.task_id, one.status, one.status_code ?? one.error_class, one.attempts, one.config_version, one.enqueued_at, one.url]),
    ),
  )
  if (next !== undefined) output.note('there are more: --limit')
  return exits.ok
}

function statsText({ output }: Context, stats: HitStats): string {
  const { run_ms, wait_ms, by_error_class } = stats
  const times = ({ p50, p95, p99 }: typeof run_ms) => `p50 ${p50 ?? '-'} ms, p95 ${p95 ?? '-'} ms, p99 ${p99 ?? '-'} ms`
  return output.pairs([
    ['queue', `${stats.engine}${stats.paused ? ', paused' : ''}`],
    ['waiting', `${stats.queued} queued, ${stats.active} active, ${stats.delayed} delayed, of ${stats.max_backlog} at most`],
    ['oldest waits', stats.oldest_queued_seconds === null ? undefined : `${stats.oldest_queued_seconds} s`],
    ['last hour', `${stats.completed} completed, ${stats.failed} failed`],
    ['waited', times(wait_ms)],
    ['attempts took', times(run_ms)],
    ...Object.entries(by_error_class).map(([name, attempts]): [string, number] => [name, attempts ?? 0]),
    ...stats.destinations.filter(({ circuit }) => circuit !== 'closed').map(({ circuit, origin }): [string, string] => [`circuit ${circuit}`, origin]),
  ])
}

/** `dcm hits stats`. */
export async function hitStats(context: Context): Promise<number> {
  const stats = await ask(context.settings.workerUrl, () => context.worker().hits.stats.$get(), HitStatsSchema)
  context.output.result(stats, () => statsText(context, stats))
  return exits.ok
}

/** `dcm hits queue COUNT`. */
export async function queueHits(context: Context, count: number): Promise<number> {
  const queued = await ask(context.settings.workerUrl, () => context.worker().hits.$post({ json: { count } }), BulkHitsSchema)
  context.output.result(queued, () => queued.task_ids.join('\n'))
  context.output.note(`queued ${queued.task_ids.length} hits`)
  return exits.ok
}

/** `dcm hits retry TASK`, or all that failed. */
export async function retryHits(context: Context, taskId: string | undefined, options: { readonly failed?: boolean }): Promise<number> {
  const { settings, output } = context
  if ((taskId === undefined) !== (options.failed === true)) throw new CliError(exits.usage, 'retry takes the id of a task, or --failed for all that failed')
  if (taskId !== undefined) {
    const accepted = await ask(settings.workerUrl, () => context.worker().hit[':taskId'].retry.$post({ param: { taskId } }), HitAcceptedSchema)
    output.result(accepted, () => accepted.task_id)
    output.note('queued again')
    return exits.ok
  }
  const retried = await ask(settings.workerUrl, () => context.worker().hits.retry.$post(), BulkRetrySchema)
  output.result(retried, () => `queued ${retried.retried} failed hits again${retried.remaining ? '; there are more: run this again' : ''}`)
  return exits.ok
}

/** `dcm hits pause` and `resume`. */
export async function pauseHits(context: Context, pause: boolean): Promise<number> {
  const call = () => (pause ? context.worker().hits.pause.$post() : context.worker().hits.resume.$post())
  const { paused } = await ask(context.settings.workerUrl, call, PausedSchema)
  context.output.result({ paused }, () => (paused ? 'paused: hits are taken, and wait' : 'resumed'))
  return exits.ok
}
