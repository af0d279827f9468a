// What hits go to: a small page that counts its readers, and can keep them waiting.
import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { answerCalls, on } from '../support/answer.ts'
import { portOf } from '../support/port.ts'
import { listenTarget, resetTarget, targetReached } from '../support/protocol.ts'

const counted = new EventEmitter()
let held: ServerResponse[] | undefined
let count = 0
let answer = (_res: ServerResponse) => {}

answerCalls(
  on(listenTarget, async ({ body }) => {
    const length = Buffer.byteLength(body)
    answer = (res) => {
      res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': length }).end(body)
      count += 1
      counted.emit('count')
    }
    const server = createServer((_req, res) => (held === undefined ? answer(res) : void held.push(res)))
    server.keepAliveTimeout = 75_000
    return { port: await portOf(server) }
  }),
  on(resetTarget, ({ hold }) => {
    const released = held ?? []
    count = 0
    held = hold ? [] : undefined
    for (const res of released) answer(res)
    return {}
  }),
  on(targetReached, async (options) => {
    while (count < options.count) await once(counted, 'count')
    return {}
  }),
)
