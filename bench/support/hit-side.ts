import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { Child } from './child.ts'
import { requestText } from './http-text.ts'
import { configData, RAW_QUEUE, rawResultKey, targetBody } from './payloads.ts'
import { serveRawHits } from './protocol.ts'
import type { BenchRedis } from './redis.ts'
import { startService } from './service.ts'

/** The worker's own default of hits under way at once. */
const CONCURRENCY = 10

const AcceptedSchema = z.object({ task_id: z.string() })
const OursAcceptedSchema = z.object({ data: AcceptedSchema })
const ResultSchema = z.object({ status: z.literal('completed'), status_code: z.literal(200), body: z.literal(targetBody) })
const OursResultSchema = z.object({ data: ResultSchema })
const HealthSchema = z.object({ data: z.object({ parts: z.object({ queue: z.object({ queued: z.number(), active: z.number(), delayed: z.number() }) }) }) })

/** Something that takes hits over HTTP and performs them. */
export interface HitSide extends AsyncDisposable {
  readonly port: number
  readonly request: string
  /** Waits until nothing is queued any more. */
  idle(): Promise<void>
  /** Fails where the hit of an answer did not end as the target answered. */
  assertCompleted(accepted: string): Promise<void>
}

const request = requestText('POST', '/hit')

/** Our worker, with one of its engines, holding a config that points at the target. */
export async function ourHits(env: Readonly<Record<string, string>>, target: string): Promise<HitSide> {
  const worker = await startService('worker', { ...env, WORKER_CONCURRENCY: String(CONCURRENCY) })
  const port = worker.port('worker')
  const base = `http://127.0.0.1:${port}`
  const body = JSON.stringify({ version: 7, data: { ...configData, url: target } })
  const answer = await fetch(`${base}/config`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
  if (answer.status !== 200) throw new Error(`the worker answered ${answer.status} to its config: ${await answer.text()}`)
  const unfinished = async () => {
    const { queued, active, delayed } = HealthSchema.parse(await (await fetch(`${base}/health`)).json()).data.parts.queue
    return queued + active + delayed
  }
  return {
    port,
    request,
    idle: async () => {
      while ((await unfinished()) > 0) await delay(20)
    },
    assertCompleted: async (accepted) => {
      const { task_id } = OursAcceptedSchema.parse(JSON.parse(accepted)).data
      OursResultSchema.parse(await (await fetch(`${base}/hit/${task_id}?wait=5`)).json())
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  }
}

/** Raw BullMQ behind a bare node:http. */
export async function rawHits(redis: BenchRedis, target: string): Promise<HitSide> {
  const raw = new Child('raw-bullmq')
  const { port } = await raw.call(serveRawHits, { port: redis.port, url: target, concurrency: CONCURRENCY })
  return {
    port,
    request,
    idle: async () => {
      while ((await redis.unfinished(RAW_QUEUE)) > 0) await delay(20)
    },
    assertCompleted: async (accepted) => {
      const { task_id } = AcceptedSchema.parse(JSON.parse(accepted))
      ResultSchema.parse(JSON.parse((await redis.value(rawResultKey(task_id))) ?? 'null'))
    },
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  }
}
