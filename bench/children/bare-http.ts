// The baseline of the controller's reads, long polls and streams: what one would write by hand on node:http for one
// config, without keys, validation, request ids, time limits, an inventory or a database.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { answerCalls, on } from '../support/answer.ts'
import { portOf } from '../support/port.ts'
import { bareListen, bareWaiting } from '../support/protocol.ts'

/** As often as ours, and as there not all at once. */
const HEARTBEAT_MS = 15_000
const SLOTS = 30
const heartbeat = Buffer.from(':\n\n')

let parked = new Set<ServerResponse>()
const streams = new Set<ServerResponse>()
const slots = Array.from({ length: SLOTS }, () => new Set<ServerResponse>())

answerCalls(
  on(bareListen, async ({ version: first, head, tail, port }) => {
    let version = first
    let etag = ''
    let body = ''
    let length = 0
    let event = Buffer.alloc(0)
    let beat = 0
    let opened = 0
    const setVersion = (next: number) => {
      version = next
      etag = `"${version}"`
      body = `${head}${version}${tail}`
      length = Buffer.byteLength(body)
      event = Buffer.from(`id: ${version}\nevent: config\ndata: ${body.slice(body.indexOf('"data":') + 7, -1)}\n\n`)
    }
    setVersion(first)

    const answer = (res: ServerResponse, status: 200 | 201) => {
      res.writeHead(status, { 'Content-Type': 'application/json', ETag: etag, 'Cache-Control': 'no-cache', 'Content-Length': length })
      res.end(body)
    }
    const park = (res: ServerResponse) => {
      parked.add(res)
      res.on('close', () => parked.delete(res))
    }
    const stream = (req: IncomingMessage, res: ServerResponse) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache, no-transform', 'X-Accel-Buffering': 'no' })
      res.write('retry: 1000\n\n')
      if (req.headers['last-event-id'] !== String(version)) res.write(event)
      const slot = slots[opened++ % SLOTS]
      slot?.add(res)
      streams.add(res)
      res.on('close', () => {
        slot?.delete(res)
        streams.delete(res)
      })
    }
    const publish = (req: IncomingMessage, res: ServerResponse) => {
      let sent = ''
      req.setEncoding('utf8').on('data', (text: string) => (sent += text))
      req.on('end', () => {
        JSON.parse(sent)
        setVersion(version + 1)
        const woken = parked
        parked = new Set()
        for (const watcher of woken) answer(watcher, 200)
        for (const watcher of streams) watcher.write(event)
        answer(res, 201)
      })
    }
    const register = (req: IncomingMessage, res: ServerResponse) => {
      req.resume()
      const registered = '{"data":{"agent_id":"bare"}}'
      res.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': registered.length }).end(registered)
    }
    const server = createServer((req, res) => {
      if (req.url === '/register') register(req, res)
      else if (req.method === 'POST') publish(req, res)
      else if (req.url === '/config/stream') stream(req, res)
      else if (req.headers['if-none-match'] !== etag) answer(res, 200)
      else if (req.url?.includes('?wait=')) park(res)
      else res.writeHead(304, { ETag: etag, 'Cache-Control': 'no-cache' }).end()
    })
    // As ours: kept-alive connections must outlast the pauses between rounds.
    server.keepAliveTimeout = 75_000
    setInterval(() => {
      beat = (beat + 1) % SLOTS
      for (const watcher of slots[beat] ?? []) watcher.write(heartbeat)
    }, HEARTBEAT_MS / SLOTS)
    return { port: await portOf(server, port) }
  }),
  on(bareWaiting, () => ({ waiting: parked.size })),
)
