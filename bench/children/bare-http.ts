// The baseline of the controller's reads and of its long polls: what one would write by hand on node:http for
// one config, without keys, validation, request ids, time limits or a database.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { answerCalls, on } from '../support/answer.ts'
import { portOf } from '../support/port.ts'
import { bareListen, bareWaiting } from '../support/protocol.ts'

let parked: ServerResponse[] = []

answerCalls(
  on(bareListen, async ({ version: first, head, tail }) => {
    let version = first
    let etag = ''
    let body = ''
    let length = 0
    const setVersion = (next: number) => {
      version = next
      etag = `"${version}"`
      body = `${head}${version}${tail}`
      length = Buffer.byteLength(body)
    }
    setVersion(first)

    const answer = (res: ServerResponse, status: 200 | 201) => {
      res.writeHead(status, { 'Content-Type': 'application/json', ETag: etag, 'Cache-Control': 'no-cache', 'Content-Length': length })
      res.end(body)
    }
    const publish = (req: IncomingMessage, res: ServerResponse) => {
      let sent = ''
      req.setEncoding('utf8').on('data', (text: string) => (sent += text))
      req.on('end', () => {
        JSON.parse(sent)
        setVersion(version + 1)
        const woken = parked
        parked = []
        for (const watcher of woken) answer(watcher, 200)
        answer(res, 201)
      })
    }
    const server = createServer((req, res) => {
      if (req.method === 'POST') publish(req, res)
      else if (req.headers['if-none-match'] !== etag) answer(res, 200)
      else if (req.url?.includes('?wait=')) parked.push(res)
      else res.writeHead(304, { ETag: etag, 'Cache-Control': 'no-cache' }).end()
    })
    // As ours: kept-alive connections must outlast the pauses between rounds.
    server.keepAliveTimeout = 75_000
    return { port: await portOf(server) }
  }),
  on(bareWaiting, () => ({ waiting: parked.length })),
)
