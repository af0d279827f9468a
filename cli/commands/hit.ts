import { MAX_WAIT_SECONDS } from '#lib/contract/config.ts'
import { HitAcceptedSchema, type HitResult, HitResultSchema, isFinalStatus } from '#lib/contract/hit.ts'
import { ask, reach } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'
import { safeLines } from '../output/safe.ts'

/** The options of hit. */
export interface HitOptions {
  readonly wait?: boolean
  readonly timeout: number
  readonly idempotencyKey?: string
}

function resultText({ output }: Context, result: HitResult): string {
  const pairs = output.pairs([
    ['task', result.task_id],
    ['status', result.status],
    ['answer', result.status_code],
    ['took', result.timings === undefined ? undefined : `${result.timings.total} ms`],
    ['attempts', result.attempts],
    ['config version', result.config_version],
    ['queued', result.enqueued_at],
    ['ended', result.finished_at],
    ...(result.error === undefined ? [] : [['error', `${result.error_class ?? ''} ${result.error}`] as const]),
  ])
  if (result.body === undefined || result.body === '') return pairs
  return `${pairs}\n\n${result.body_encoding === 'base64' ? `${result.size_bytes ?? '?'} bytes that are no text` : safeLines(result.body)}`
}

const exitOfResult = ({ status }: HitResult): number => (status === 'failed' ? exits.failed : isFinalStatus(status) ? exits.ok : exits.timeout)

/** Waits on for a task, a minute a call: that is as long as a worker holds one. */
async function waitForEnd(context: Context, taskId: string, deadline: number): Promise<HitResult> {
  for (;;) {
    const wait = Math.min(Math.max(Math.ceil((deadline - performance.now()) / 1000), 0), MAX_WAIT_SECONDS)
    const call = () => context.worker(wait).hit[':taskId'].$get({ param: { taskId }, query: { wait: String(wait) } })
    const result = await ask(context.settings.workerUrl, call, HitResultSchema)
    if (isFinalStatus(result.status) || performance.now() >= deadline) return result
  }
}

/** `dcm hit`. */
export async function hit(context: Context, options: HitOptions): Promise<number> {
  const { settings, output } = context
  const deadline = performance.now() + options.timeout * 1000
  const wait = options.wait ? Math.min(options.timeout, MAX_WAIT_SECONDS) : 0
  const header = options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }
  const answer = await reach(settings.workerUrl, () => context.worker(wait).hit.$get({ query: wait > 0 ? { wait: String(wait) } : {}, header }))
  if (answer.status === 202) {
    const accepted = await ask(settings.workerUrl, async () => answer, HitAcceptedSchema)
    if (!options.wait) {
      output.result(accepted, () => accepted.task_id)
      output.note(`queued; dcm hits show ${accepted.task_id} shows what comes of it`)
      return exits.ok
    }
    return tellResult(context, await waitForEnd(context, accepted.task_id, deadline))
  }
  return tellResult(context, await ask(settings.workerUrl, async () => answer, HitResultSchema))
}

function tellResult(context: Context, result: HitResult): number {
  context.output.result(result, () => resultText(context, result))
  if (!isFinalStatus(result.status)) context.output.note('it has not ended in time, and goes on')
  return exitOfResult(result)
}

/** `dcm hits show TASK`. */
export async function showHit(context: Context, taskId: string): Promise<number> {
  const result = await ask(context.settings.workerUrl, () => context.worker().hit[':taskId'].$get({ param: { taskId }, query: {} }), HitResultSchema)
  context.output.result(result, () => resultText(context, result))
  return exits.ok
}
