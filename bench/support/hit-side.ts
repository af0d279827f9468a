import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { Child } from './child.ts'
import { requestText } from './http-text.ts'
import { configData, RAW_QUEUE, rawResultKey, targetBody } from './payloads.ts'
import { serveRawHits } from './protocol.ts'
import type { BenchRedis } from './redis.ts'
import { startService } from './service.ts'

/** The worker's own default of hits under way at once; all of them to one target, as a BullMQ worker does. */
const CONCURRENCY = 10

const AcceptedSchema = z.object({ task_id: z.string() })
const OursAcceptedSchema = z.object({ data: AcceptedSchema })
const ResultSchema = z.object({ status: z.literal('completed'), status_code: z.literal(200), body: z.literal(targetBody) })
const OursResultSchema = z.object({ data: ResultSchema })
const StatsSchema = z.object({ data: z.object({ queued: z.number(), active: z.number(), delayed: z.number() }) })

/** Something that takes hits over HTTP and performs them. */
export interface HitSide extends AsyncDisposable {
  readonly port: number
  readonly request: string
  /** Waits until nothing is queued any more: all results are stored. */
  idle(): Promise<void>
  /** Fails where the hit of an answer did not end as the target answered. */
  assertCompleted(accepted: string): Promise<void>
}

/** Our worker as a side. */
export interface OurSide extends HitSide {
  readonly pid: number
  /** Gives it another config. */
  configure(data: Readonly<Record<string, unknown>>): Promise<void>
  /** Calls a route of it. @returns the body of its answer; any other status fails */
  call(method: 'GET' | 'POST', path: string, expect: number, body?: object): Promise<unknown>
  /** kill -9. */
  kill(): Promise<void>
}

const request = requestText('POST', '/hit')

/** An engine as our worker is told of it. */
export const onRedis = (redis: BenchRedis) => ({ HIT_QUEUE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) })
export const inFile = { HIT_QUEUE: 'embedded' }

/** Our worker, with one of its engines, holding a config that points at the target. */
export async function ourHits(env: Readonly<Record<string, string>>, target: string): Promise<OurSide> {
  const worker = await startService('worker', { WORKER_CONCURRENCY: String(CONCURRENCY), HIT_PER_HOST: String(CONCURRENCY), ...env })
  const port = worker.port('worker')
  const call: OurSide['call'] = async (method, path, expect, body) => {
    const sent = body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, ...sent })
    if (answer.status !== expect) throw new Error(`the worker answered ${answer.status} to ${method} ${path}: ${await answer.text()}`)
    return answer.json()
  }
  const configure: OurSide['configure'] = async (data) => void (await call('POST', '/config', 200, { version: 7, data: { ...configData, ...data } }))
  const unfinished = async () => {
    const { queued, active, delayed } = StatsSchema.parse(await call('GET', '/hits/stats', 200)).data
    return queued + active + delayed
  }
  await configure({ url: target })
  return {
    port,
    request,
    pid: worker.pid,
    configure,
    call,
    idle: async () => {
      while ((await unfinished()) > 0) await delay(2)
    },
    assertCompleted: async (accepted) => {
      const { task_id } = OursAcceptedSchema.parse(JSON.parse(accepted)).data
      OursResultSchema.parse(await call('GET', `/hit/${task_id}?wait=5`, 200))
    },
    kill: () => worker.kill(),
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
      while ((await redis.unfinished(RAW_QUEUE)) > 0) await delay(2)
    },
    assertCompleted: async (accepted) => {
      const { task_id } = AcceptedSchema.parse(JSON.parse(accepted))
      ResultSchema.parse(JSON.parse((await redis.value(rawResultKey(task_id))) ?? 'null'))
    },
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  }
}
