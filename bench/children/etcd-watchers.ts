// Watchers of one key of an etcd by its HTTP gateway, a connection each: the nearest that etcd has to a stream of ours.
import { AgentConnection } from '../fleet/connection.ts'
import { answerCalls, on } from '../support/answer.ts'
import { monotonicMs } from '../support/monotonic.ts'
import { openEtcdWatchers, putToEtcd } from '../support/protocol.ts'

const WAVE = 100
const NEVER_MS = 3_600_000
const base64 = (text: string) => Buffer.from(text).toString('base64')
const key = base64('config')

const post = (path: string, body: object): string => {
  const text = JSON.stringify(body)
  return `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}

let target = { host: '127.0.0.1', port: 0 }
let watchers = 0
/** The value that is under way, and who waits for it. */
let wanted = ''
let got: number[] = []
let all = () => {}

/** Opens one watch; resolves when etcd says that it is there. */
function watch(connection: AgentConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    let held = ''
    const onLine = (line: string) => {
      if (line.includes('"created":true')) resolve()
      else if (line.includes(wanted)) {
        got.push(monotonicMs())
        if (got.length === watchers) all()
      } else reject(new Error(`etcd sent ${JSON.stringify(line.slice(0, 500))}`))
    }
    const onBytes = (bytes: Buffer) => {
      const lines = (held + bytes.toString('latin1')).split('\n')
      held = lines.pop() ?? ''
      for (const line of lines) onLine(line)
    }
    connection
      .request(post('/v3/watch', { create_request: { key } }), NEVER_MS, { onOpen: () => {}, onBytes })
      .then(({ head }) => reject(new Error(`etcd ended a watch with status ${head.status}`)), reject)
  })
}

answerCalls(
  on(openEtcdWatchers, async (options) => {
    target = { host: '127.0.0.1', port: options.port }
    while (watchers < options.watchers) {
      const wave = Math.min(WAVE, options.watchers - watchers)
      await Promise.all(Array.from({ length: wave }, async () => watch(await AgentConnection.open(target, NEVER_MS))))
      watchers += wave
    }
    return {}
  }),
  on(putToEtcd, async ({ value }) => {
    wanted = base64(value)
    got = []
    const complete = new Promise<void>((resolve) => {
      all = resolve
    })
    const publisher = await AgentConnection.open(target, NEVER_MS)
    const start = monotonicMs()
    const [{ head, text }] = await Promise.all([publisher.request(post('/v3/kv/put', { key, value: wanted }), NEVER_MS), complete])
    publisher.close()
    if (head.status !== 200) throw new Error(`the put was answered ${head.status}: ${text}`)
    return { latencies_ms: got.map((at) => at - start).sort((a, b) => a - b) }
  }),
)
