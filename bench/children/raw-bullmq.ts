// The baseline of the queue on Redis: BullMQ as its documentation shows it, on connections with its own
// defaults. With a target it also is a worker that makes the request by undici, keeps the result for an hour,
// and takes hits over a bare node:http.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { request } from 'undici'
import { answerCalls, on } from '../support/answer.ts'
import { closedLoop } from '../support/closed-loop.ts'
import { hitUrl, RAW_QUEUE, rawResultKey } from '../support/payloads.ts'
import { portOf } from '../support/port.ts'
import { addJobs, openRawQueue, serveRawHits } from '../support/protocol.ts'

/** The job of ours, so that both write as much. */
interface RawJob {
  readonly task_id: string
  readonly url: string
  readonly config_version: number
  readonly enqueued_at: number
}

let queue: Queue<RawJob> | undefined

const open = (port: number): Queue<RawJob> =>
  new Queue<RawJob>(RAW_QUEUE, { connection: { host: '127.0.0.1', port, db: 1 }, defaultJobOptions: { removeOnComplete: true, removeOnFail: true } })

const add = async (to: Queue<RawJob>, url: string): Promise<string> => {
  const task_id = randomUUID()
  await to.add('hit', { task_id, url, config_version: 7, enqueued_at: Date.now() }, { jobId: task_id })
  return task_id
}

answerCalls(
  on(openRawQueue, async ({ port }) => {
    queue = open(port)
    await queue.waitUntilReady()
    return {}
  }),
  on(addJobs, async ({ jobs, concurrency }) => {
    const opened = queue
    if (!opened) throw new Error('the queue is not open')
    const rate = await closedLoop(jobs, concurrency, () => add(opened, hitUrl))
    return { ...rate, queued: await opened.getWaitingCount() }
  }),
  on(serveRawHits, async ({ port, url, concurrency }) => {
    const opened = open(port)
    const results = new Redis({ host: '127.0.0.1', port, db: 0 })
    const worker = new Worker<RawJob>(
      RAW_QUEUE,
      async ({ data }) => {
        const { statusCode, body } = await request(data.url, { headers: { 'idempotency-key': data.task_id } })
        const result = { task_id: data.task_id, status: 'completed', status_code: statusCode, body: await body.text(), finished_at: new Date().toISOString() }
        await results.set(rawResultKey(data.task_id), JSON.stringify(result), 'EX', 3600)
      },
      { connection: { host: '127.0.0.1', port, db: 1 }, concurrency },
    )
    await Promise.all([opened.waitUntilReady(), worker.waitUntilReady()])
    const server = createServer(async (_req, res) => {
      const body = JSON.stringify({ task_id: await add(opened, url), status: 'queued' })
      res.writeHead(202, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }).end(body)
    })
    server.keepAliveTimeout = 75_000
    return { port: await portOf(server) }
  }),
)
