// What hits go to: a small page that counts its readers, notes when each came, and can keep them waiting.
import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { answerCalls, on } from '../support/answer.ts'
import { monotonicMs } from '../support/monotonic.ts'
import { portOf } from '../support/port.ts'
import { forgetTargetStarts, listenTarget, resetTarget, targetMet, targetReached, targetStarts } from '../support/protocol.ts'

const counted = new EventEmitter()
let held: ServerResponse[] | undefined
let count = 0
/** By the task's id: a hit that comes again is the one that came before. */
const starts = new Map<string, number>()
let answer = (_res: ServerResponse) => {}

answerCalls(
  on(listenTarget, async ({ body }) => {
    const length = Buffer.byteLength(body)
    answer = (res) => {
      res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': length }).end(body)
      count += 1
      counted.emit('count')
    }
    const server = createServer((req, res) => {
      const taskId = String(req.headers['idempotency-key'])
      if (!starts.has(taskId)) starts.set(taskId, monotonicMs())
      if (held === undefined) answer(res)
      else held.push(res)
      counted.emit('start')
    })
    server.keepAliveTimeout = 75_000
    return { port: await portOf(server) }
  }),
  on(resetTarget, ({ hold }) => {
    const released = held ?? []
    count = 0
    starts.clear()
    held = hold ? [] : undefined
    for (const res of released) answer(res)
    return {}
  }),
  on(targetReached, async (options) => {
    while (count < options.count) await once(counted, 'count')
    return {}
  }),
  on(targetStarts, () => ({ starts_ms: Object.fromEntries(starts) })),
  on(forgetTargetStarts, () => {
    starts.clear()
    return {}
  }),
  on(targetMet, async (options) => {
    while (starts.size < options.count) await once(counted, 'start')
    return {}
  }),
)
