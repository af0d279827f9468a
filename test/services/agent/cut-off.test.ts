import type { ServerResponse } from 'node:http'
import { expect, test, vi } from 'vitest'
import { HealthSchema } from '#lib/contract/health.ts'
import { ConfigFeed } from '#lib/distribution/feed.ts'
import { ConfigStreams } from '#lib/distribution/streams.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { startAgent } from '#services/agent/start.ts'
import { TestAgent } from '#test/_support/agent.ts'
import { dataOf, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { readEvents } from '#test/_support/events.ts'
import { Gate } from '#test/_support/gate.ts'
import { TestRelay } from '#test/_support/relay.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }
const idle = { seen: () => {}, attach: () => () => {} }

test('heartbeats say for how long a relay has been cut off, and that it is over; an agent shows that', async () => {
  using folder = new TempFolder()
  const feed = new ConfigFeed(undefined)
  const relay: { cutOffMs: number | null } = { cutOffMs: null }
  const streams = new ConfigStreams({ feed, presence: idle, logger: silentLogger, limits: { heartbeat_ms: 60 }, cutOffMs: () => relay.cutOffMs })
  await using upstream = await TestController.open({ overrides: { feed, streams } })
  const { port } = await upstream.listen()
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: `http://127.0.0.1:${port}`, apiKey: TEST_KEY } })
  await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ via: 'stream', relay_cut_off_seconds: null }), soon)
  for (const seconds of [75, 90]) {
    relay.cutOffMs = seconds * 1000
    await vi.waitFor(() => expect(agent.follower.status.relay_cut_off_seconds).toBeGreaterThanOrEqual(seconds), soon)
  }
  expect(agent.follower.status.state).toBe('following')
  relay.cutOffMs = null
  await vi.waitFor(() => expect(agent.follower.status.relay_cut_off_seconds).toBeNull(), soon)
})

test('what is said is a comment, which is nothing to other readers; whoever comes is told at once', async () => {
  const feed = new ConfigFeed(undefined)
  const streams = new ConfigStreams({ feed, presence: idle, logger: silentLogger, cutOffMs: () => 75_400 })
  await using upstream = await TestController.open({ overrides: { feed, streams } })
  const answer = await upstream.request('/config/stream')
  const reader = answer.body?.getReader()
  const texts: string[] = []
  for (let n = 0; n < 2; n++) texts.push(new TextDecoder().decode((await reader?.read())?.value))
  expect(texts).toEqual(['retry: 1000\n\n', ': cut-off 75\n\n'])
  await reader?.cancel()
  const events = readEvents(await upstream.request('/config/stream'))
  await upstream.publish({ n: 1 })
  for (;;) {
    const { value } = await events.next()
    if (value?.event === 'config') break
    expect(value?.data).toBeUndefined()
  }
  await events.return(undefined)
})

test('below relays, each agent says that the controller is out of reach, with 200; a relay says so only after a while', { timeout: 40_000 }, async () => {
  using folder = new TempFolder()
  await using controller = await TestController.open()
  const { port } = await controller.listen()
  await controller.publish({ n: 1 })
  await using gate = await Gate.open(port)
  const clock = { ...systemClock, ahead: 0, monotonic: () => systemClock.monotonic() + clock.ahead }
  await using upper = await TestRelay.open({ controllerUrl: gate.url, clock })
  await vi.waitFor(async () => expect((await upper.status()).controller.state).toBe('following'), soon)
  gate.cut()
  await vi.waitFor(async () => expect((await upper.status()).relay?.cut_off).toBe(true), soon)
  await using lower = await TestRelay.open({ controllerUrl: upper.url })
  await vi.waitFor(async () => expect(await lower.status()).toMatchObject({ held_version: 1, controller: { via: 'stream' } }), soon)
  // A restart of the controller is over by then.
  expect((await lower.status()).controller.relay_cut_off_seconds).toBeNull()

  clock.ahead = 100_000
  await using late = await TestRelay.open({ controllerUrl: upper.url })
  await vi.waitFor(async () => expect((await late.status()).controller.relay_cut_off_seconds).toBeGreaterThanOrEqual(100), soon)
  const agent = await startAgent(
    loadAgentConfig({ API_KEY: TEST_KEY, AGENT_PORT: '0', CONTROLLER_URL: late.url, WORKER_URL: 'http://127.0.0.1:9', DATA_DIR: folder.path }),
    { logger: silentLogger },
  )
  try {
    await vi.waitFor(async () => {
      const health = await dataOf(await fetch(`http://127.0.0.1:${agent.port}/health`), 200, HealthSchema)
      expect(health.status).toBe('degraded')
      expect(health.warnings.join()).toMatch(/controller: the relay that is followed has not reached its controller for 1\d\d s/)
    }, soon)
  } finally {
    await agent.stop(AbortSignal.abort())
  }
})

test('what a relay said is forgotten with the connection that it said it on', async () => {
  using folder = new TempFolder()
  const streams: ServerResponse[] = []
  await using server = await StubServer.open((request, response) => {
    if (request.path === '/register') return sendJson(response, 201, { data: { agent_id: 'a', poll_interval_seconds: 1, capabilities: ['stream'] } })
    if (request.path !== '/config/stream') return sendJson(response, 404, { message: 'no config available' })
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write(streams.push(response) === 1 ? ': cut-off 75\n\n' : 'retry: 1000\n\n')
  })
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: server.url, pollIntervalSeconds: 1 } })
  await vi.waitFor(() => expect(agent.follower.status.relay_cut_off_seconds).toBeGreaterThanOrEqual(75), soon)
  streams[0]?.end()
  await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'retrying', relay_cut_off_seconds: null }), soon)
  await vi.waitFor(() => expect(agent.follower.status).toMatchObject({ state: 'following', via: 'stream', relay_cut_off_seconds: null }), soon)
})
