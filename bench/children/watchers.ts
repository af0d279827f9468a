// Many agents that wait, from one process: parks a long poll on each connection, publishes, and notes when each
// answer is complete. The same code measures both servers.
import { answerCalls, on } from '../support/answer.ts'
import { openWatchers, parkWatchers, publishToWatchers } from '../support/protocol.ts'
import { RawConnection } from '../support/raw-connection.ts'

interface Answered {
  readonly at: number
  readonly status: number
  readonly text: string
}

let port = 0
let connections: RawConnection[] = []
let waiting: Promise<Answered>[] = []

const request = (connection: RawConnection, bytes: Buffer): Promise<Answered> =>
  new Promise((resolve, reject) => {
    connection.send(bytes, ({ status, text }) => resolve({ at: performance.now(), status, text }), reject)
  })

answerCalls(
  on(openWatchers, async (options) => {
    port = options.port
    connections = await RawConnection.openMany(port, options.connections)
    return {}
  }),
  on(parkWatchers, (options) => {
    const bytes = Buffer.from(options.request)
    waiting = connections.map((connection) => request(connection, bytes))
    return {}
  }),
  on(publishToWatchers, async (options) => {
    const publisher = await RawConnection.open(port)
    const bytes = Buffer.from(options.request)
    const start = performance.now()
    const [published, ...answers] = await Promise.all([request(publisher, bytes), ...waiting])
    publisher.close()
    const version = `"version":${options.version},`
    if (published.status !== 201 || !published.text.includes(version)) throw new Error(`the publish was answered ${JSON.stringify(published.text)}`)
    for (const { status, text } of answers) {
      if (status !== 200 || !text.includes(version)) throw new Error(`a watcher was answered ${JSON.stringify(text)} instead of version ${options.version}`)
    }
    return { latencies_ms: answers.map(({ at }) => at - start).sort((a, b) => a - b) }
  }),
)
