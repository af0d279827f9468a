import { expect, test, vi } from 'vitest'
import { TestAgent } from '#test/_support/agent.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 8000, interval: 5 }
const reason = 'is larger than a config may be here (1024 bytes): raise MAX_CONFIG_BYTES of this service to that of the one that sent it'

test.each([
  ['an answer', 'the answer', { fetch: 70_000, stream: 0 }],
  ['an event', 'an event of the stream', { fetch: 0, stream: 70_000 }],
])('%s with a config that is too large here names what to raise', async (_what, name, filling) => {
  using folder = new TempFolder()
  const config = (version: number, size: number) => ({ id: `id-${version}`, version, data: { filling: 'x'.repeat(size) }, poll_interval_seconds: 30 })
  await using controller = await StubServer.open((request, response) => {
    if (request.path === '/register') return sendJson(response, 201, { data: { agent_id: 'a', poll_interval_seconds: 30, capabilities: ['stream'] } })
    if (request.path !== '/config/stream') return sendJson(response, 200, { data: config(1, filling.fetch) }, { ETag: '"1"' })
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(`event: config\ndata: ${JSON.stringify(config(2, filling.stream))}\n\n`)
  })
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, maxConfigBytes: 1024 } })
  await vi.waitFor(() => expect(agent.follower.status.last_error).toBe(`${name} ${reason}`), soon)
})
