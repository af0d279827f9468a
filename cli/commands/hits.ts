import { HitAcceptedSchema, type HitResult, HitResultSchema, hitStatuses } from '#lib/contract/hit.ts'
import { BulkRetrySchema, HitStatsSchema, HitsPageSchema, PausedSchema } from '#lib/contract/hits.ts'
import { ask, reach } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { safe } from '../output.ts'

const resultText = (result: HitResult): string =>
  [
    `${result.task_id}  ${result.status}${result.status_code === undefined ? '' : ` ${result.status_code}`}${result.timings ? ` in ${result.timings.total} ms` : ''}`,
    ...(result.error === undefined ? [] : [safe(`${result.error_class ?? ''} ${result.error}`)]),
  ].join('\n')

/** `dcm hit`. */
export async function hit({ worker, settings, output }: Context, options: { readonly wait?: boolean; readonly timeout: string }): Promise<number> {
  const query = options.wait ? { wait: options.timeout } : {}
  const answer = await reach(settings.workerUrl, () => worker.hit.$get({ query, header: {} }))
  if (answer.status === 200) {
    const result = await ask(settings.workerUrl, async () => answer, HitResultSchema)
    output.result(result, () => resultText(result))
    return result.status === 'failed' ? exits.failed : exits.ok
  }
  const accepted = await ask(settings.workerUrl, async () => answer, HitAcceptedSchema)
  output.result(accepted, () => `${accepted.task_id}  ${accepted.status}`)
  return options.wait ? exits.timeout : exits.ok
}

/** `dcm hits list`. */
export async function listHits({ worker, settings, output }: Context, options: { readonly state?: string; readonly limit: string }): Promise<number> {
  const state = hitStatuses.find((known) => known === options.state)
  if (options.state !== undefined && state === undefined)
    throw new CliError(exits.usage, `--state must be one of ${hitStatuses.join(', ')}, not ${JSON.stringify(options.state)}`)
  const query = { limit: options.limit, ...(state ? { state } : {}) }
  const page = await ask(settings.workerUrl, () => worker.hits.$get({ query }), HitsPageSchema)
  output.result(page, () =>
    output.table(
      ['TASK', 'STATUS', 'ANSWER', 'ATTEMPTS', 'VERSION', 'AT', 'URL'],
      page.hits.map((one) => [one.task_id, one.status, one.status_code ?? one.error_class, one.attempts, one.config_version, one.enqueued_at, one.url]),
    ),
  )
  return exits.ok
}

/** `dcm hits show TASK`. */
export async function showHit({ worker, settings, output }: Context, taskId: string): Promise<number> {
  const result = await ask(settings.workerUrl, () => worker.hit[':taskId'].$get({ param: { taskId }, query: {} }), HitResultSchema)
  output.result(result, () => resultText(result))
  return exits.ok
}

/** `dcm hits stats`. */
export async function hitStats({ worker, settings, output }: Context): Promise<number> {
  const stats = await ask(settings.workerUrl, () => worker.hits.stats.$get(), HitStatsSchema)
  output.result(stats, () =>
    [
      `engine      ${stats.engine}${stats.paused ? ', paused' : ''}`,
      `waiting     ${stats.queued} queued, ${stats.active} active, ${stats.delayed} delayed; the oldest for ${stats.oldest_queued_seconds ?? 0} s`,
      `last hour   ${stats.completed} completed, ${stats.failed} failed`,
      `attempts    p50 ${stats.run_ms.p50 ?? '-'} ms, p95 ${stats.run_ms.p95 ?? '-'} ms, p99 ${stats.run_ms.p99 ?? '-'} ms`,
      ...stats.destinations.filter(({ circuit }) => circuit !== 'closed').map(({ origin, circuit }) => `circuit     ${circuit}: ${safe(origin)}`),
    ].join('\n'),
  )
  return exits.ok
}

/** `dcm hits retry [TASK]`: one, or all that failed. */
export async function retryHits({ worker, settings, output }: Context, taskId: string | undefined): Promise<number> {
  if (taskId !== undefined) {
    const accepted = await ask(settings.workerUrl, () => worker.hit[':taskId'].retry.$post({ param: { taskId } }), HitAcceptedSchema)
    output.result(accepted, () => `${accepted.task_id}  ${accepted.status}`)
    return exits.ok
  }
  const retried = await ask(settings.workerUrl, () => worker.hits.retry.$post(), BulkRetrySchema)
  output.result(retried, () => `queued ${retried.retried} failed hits again${retried.remaining ? '; there are more' : ''}`)
  return exits.ok
}

/** `dcm hits pause` and `resume`. */
export async function pauseHits({ worker, settings, output }: Context, pause: boolean): Promise<number> {
  const paused = await ask(settings.workerUrl, () => (pause ? worker.hits.pause.$post() : worker.hits.resume.$post()), PausedSchema)
  output.result(paused, () => (paused.paused ? 'paused: hits are taken, and wait' : 'resumed'))
  return exits.ok
}
