import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { expect, test, vi } from 'vitest'
import { beginEvents, type EventSink, eventBytes } from '#lib/http/event-sink.ts'

const soon = { timeout: 10_000, interval: 2 }

/** A server whose streams a test feeds, and a connection to it that keeps all it reads. */
async function opened() {
  const sinks: EventSink[] = []
  const slow: ServerResponse[] = []
  const server = createServer((request, response) => {
    if (request.url === '/slow') slow.push(response)
    else sinks.push(beginEvents(response, 'an-id'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address: AddressInfo | string | null = server.address()
  const socket: Socket = connect({ host: '127.0.0.1', port: typeof address === 'object' && address !== null ? address.port : 0 })
  const read = { text: '' }
  socket.setEncoding('utf8').on('data', (text: string) => (read.text += text))
  return {
    ...{ sinks, slow, socket, read },
    async [Symbol.asyncDispose]() {
      socket.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('each event is one chunk, and the stream ends as HTTP/1.1 says', async () => {
  await using its = await opened()
  its.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await vi.waitFor(() => expect(its.sinks).toHaveLength(1), soon)
  const event = eventBytes('data: "ü"\n\n')
  for (let n = 0; n < 3; n++) its.sinks[0]?.write(event)
  its.sinks[0]?.end()
  await vi.waitFor(() => expect(its.read.text).toMatch(/\r\n0\r\n\r\n$/), soon)
  const chunk = 'c\r\ndata: "ü"\n\n\r\n'
  expect(its.read.text).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*Transfer-Encoding: chunked\r\n/)
  expect(its.read.text.slice(its.read.text.indexOf('\r\n\r\n') + 4)).toBe(`${chunk.repeat(3)}0\r\n\r\n`)
})

test('a reader of HTTP/1.0 gets no chunks', async () => {
  await using its = await opened()
  its.socket.write('GET / HTTP/1.0\r\n\r\n')
  await vi.waitFor(() => expect(its.sinks).toHaveLength(1), soon)
  its.sinks[0]?.write(eventBytes('one\n\n'))
  its.sinks[0]?.end()
  await once(its.socket, 'end')
  expect(its.read.text).not.toMatch(/Transfer-Encoding/i)
  expect(its.read.text.slice(its.read.text.indexOf('\r\n\r\n') + 4)).toBe('one\n\n')
})

test('a stream behind an unanswered request waits for its turn, and loses and mixes nothing', async () => {
  await using its = await opened()
  its.socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await vi.waitFor(() => expect(its.sinks).toHaveLength(1), soon)
  its.sinks[0]?.write(eventBytes('before\n\n'))
  expect(its.read.text).toBe('')
  its.slow[0]?.writeHead(204).end()
  await vi.waitFor(() => expect(its.read.text).toContain('before'), soon)
  its.sinks[0]?.write(eventBytes('after\n\n'))
  its.sinks[0]?.end()
  await vi.waitFor(() => expect(its.read.text).toMatch(/\r\n0\r\n\r\n$/), soon)
  expect(its.read.text).toMatch(/^HTTP\/1\.1 204 /)
  expect(its.read.text.endsWith('8\r\nbefore\n\n\r\n7\r\nafter\n\n\r\n0\r\n\r\n')).toBe(true)
})

test('what is written after the end goes nowhere, and what is not read is counted', async () => {
  await using its = await opened()
  its.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await vi.waitFor(() => expect(its.sinks).toHaveLength(1), soon)
  its.socket.pause()
  const [sink] = its.sinks
  const large = eventBytes('x'.repeat(1024 * 1024))
  for (let n = 0; n < 16; n++) sink?.write(large)
  expect(sink?.buffered).toBeGreaterThan(1024 * 1024)
  const over = new Promise<void>((resolve) => sink?.onClose(resolve))
  sink?.cut()
  await over
  sink?.write(large)
  expect(sink?.buffered).toBe(0)
})
