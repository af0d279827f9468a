import { mkdirSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { startAgent } from '#services/agent/start.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'
import { TestRelay } from '#test/_support/relay.ts'
import { scrape } from '#test/_support/scrape.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { TestWorker } from '#test/_support/worker.ts'

const soon = { timeout: 15_000, interval: 20 }

/** An agent with an app of its own, until the test's scope ends. */
async function openAgent(controllerUrl: string, workerUrl: string, folder: TempFolder) {
  const config = loadAgentConfig({ API_KEY: TEST_KEY, AGENT_PORT: '0', CONTROLLER_URL: controllerUrl, WORKER_URL: workerUrl, DATA_DIR: folder.path })
  const agent = await startAgent({ ...config, workerCheckMs: 20 }, { logger: silentLogger })
  return {
    scrape: () => scrape((path) => fetch(`http://127.0.0.1:${agent.port}${path}`)),
    [Symbol.asyncDispose]: () => agent.stop(AbortSignal.abort()),
  }
}

test('an agent tells how it follows, what it holds, and how its worker takes it', { timeout: 30_000 }, async () => {
  using folder = new TempFolder()
  await using controller = await TestController.open()
  await using worker = await TestWorker.open()
  const { port } = await controller.listen()
  const { url: workerUrl } = await worker.listen()
  await using agent = await openAgent(`http://127.0.0.1:${port}`, workerUrl, folder)
  await vi.waitFor(async () => expect((await agent.scrape()).value('dcm_agent_following{via="stream"}')).toBe(1), soon)
  const before = await agent.scrape()
  expect(before.of('dcm_agent_connection')).toEqual({
    '{state="starting"}': 0,
    '{state="registering"}': 0,
    '{state="following"}': 1,
    '{state="retrying"}': 0,
    '{state="stopped"}': 0,
  })
  expect([before.of('dcm_agent_held_version'), before.of('dcm_agent_applied_version')]).toEqual([{}, {}])
  expect(before.text).not.toContain('dcm_relay')

  await controller.publish({ url: 'http://127.0.0.1:9/' })
  await vi.waitFor(async () => expect((await agent.scrape()).value('dcm_agent_applied_version')).toBe(1), soon)
  await controller.publish({ url: 'http://127.0.0.1:9/', request: { method: 'GET' } })
  await vi.waitFor(async () => expect((await agent.scrape()).value('dcm_agent_reports_total{outcome="taken"}')).toBeGreaterThanOrEqual(2), soon)
  const scraped = await agent.scrape()
  expect([scraped.value('dcm_agent_held_version'), scraped.value('dcm_agent_delivery{state="applied"}')]).toEqual([2, 1])
  expect(scraped.of('dcm_agent_deliveries_total')).toEqual({
    '{outcome="applied"}': 2,
    '{outcome="refused"}': 0,
    '{outcome="stale"}': 0,
    '{outcome="failed"}': 0,
  })
  expect([scraped.value('dcm_agent_connects_total'), scraped.value('dcm_agent_connection_failures_total')]).toEqual([1, 0])
  expect(scraped.value('dcm_http_requests_total{route="/metrics",method="GET",status="200"}')).toBeGreaterThan(1)
})

test('an agent tells what fails: its connection, its deliveries, its cache', { timeout: 30_000 }, async () => {
  using folder = new TempFolder()
  await using controller = await TestController.open()
  const { port, listening } = await controller.listen()
  await using agent = await openAgent(`http://127.0.0.1:${port}`, 'http://127.0.0.1:9', folder)
  // A folder stands in the place of the file.
  mkdirSync(folder.file('agent-cache.json'))
  await controller.publish()
  await vi.waitFor(async () => {
    const scraped = await agent.scrape()
    expect(scraped.value('dcm_agent_deliveries_total{outcome="failed"}')).toBeGreaterThan(0)
    expect(scraped.value('dcm_agent_cache_write_failures_total')).toBe(1)
    expect(scraped.value('dcm_agent_delivery{state="applying"}')).toBe(1)
  }, soon)
  await listening.close(AbortSignal.abort())
  await vi.waitFor(async () => {
    const scraped = await agent.scrape()
    expect(scraped.value('dcm_agent_connection_failures_total')).toBeGreaterThan(0)
    expect(scraped.value('dcm_agent_connection{state="following"}')).toBe(0)
  }, soon)
})

test('a relay tells of its followers and of the keys that it asks about, without a key', { timeout: 30_000 }, async () => {
  await using controller = await TestController.open()
  const { port, listening } = await controller.listen()
  await controller.publish()
  await using relay = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}` })
  const ask = () => scrape((path) => relay.fetch(path, { key: null }))
  await vi.waitFor(async () => expect((await ask()).value('dcm_relay_cut_off')).toBe(0), soon)
  expect((await relay.fetch('/config', { key: 'wrong' })).status).toBe(403)
  expect((await relay.fetch('/register', { body: { hostname: 'below', ip_address: '10.0.0.7', port: 8081 } })).status).toBe(201)
  const held = relay.fetch('/config?wait=30', { headers: { 'If-None-Match': '"1"' } })
  await vi.waitFor(async () => expect((await ask()).value('dcm_watchers{kind="wait"}')).toBe(1), soon)
  const scraped = await ask()
  expect(scraped.value('dcm_relay_followers')).toBe(1)
  expect(scraped.of('dcm_relay_key_checks_total')).toMatchObject({ '{verdict="refused"}': 1, '{verdict="failed"}': 0 })
  expect(scraped.value('dcm_http_requests_total{route="/register",method="POST",status="201"}')).toBe(1)
  expect(scraped.value('dcm_admission_in_progress')).toBeDefined()
  await listening.close(AbortSignal.abort())
  await vi.waitFor(async () => expect((await ask()).value('dcm_relay_cut_off')).toBe(1), soon)
  expect((await relay.fetch('/config', { key: 'another' })).status).toBe(503)
  expect((await ask()).value('dcm_relay_key_checks_total{verdict="failed"}')).toBe(1)
  void held.catch(() => {})
})
