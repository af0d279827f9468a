import { expect, test, vi } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { loadWorkerConfig } from '#services/worker/config.ts'
import { startWorker } from '#services/worker/start.ts'
import { TestAgent } from '#test/_support/agent.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'
import { Gate } from '#test/_support/gate.ts'
import { TestRelay } from '#test/_support/relay.ts'
import { workerVersion } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }

/** A worker on a socket that has accepted a version from some agent before. */
async function workerAt(version: number) {
  const folder = new TempFolder()
  const running = await startWorker(loadWorkerConfig({ DATA_DIR: folder.path, WORKER_PORT: '0', HIT_QUEUE: 'embedded' }), { logger: silentLogger })
  const url = `http://127.0.0.1:${running.port}`
  const given = await fetch(`${url}/config?if_newer=true`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ version, data: { n: version } }),
  })
  expect(given.status).toBe(200)
  return {
    url,
    version: () => workerVersion(running.port),
    [Symbol.asyncDispose]: async () => {
      await running.stop(AbortSignal.abort())
      folder[Symbol.dispose]()
    },
  }
}

test('an agent without a cache, below a relay that is behind and cut off, takes no worker back; with the controller’s own word it does', {
  timeout: 60_000,
}, async () => {
  using folder = new TempFolder()
  await using controller = await TestController.open()
  const { port } = await controller.listen()
  await using gate = await Gate.open(port)
  await controller.publish({ n: 1 })
  await using relay = await TestRelay.open({ controllerUrl: gate.url })
  await vi.waitFor(async () => expect(await relay.status()).toMatchObject({ held_version: 1, controller: { state: 'following' } }), soon)
  gate.cut()
  await vi.waitFor(async () => expect((await relay.status()).relay?.cut_off).toBe(true), soon)

  await using worker = await workerAt(2)
  const clock = { ...systemClock, ahead: 0, monotonic: () => systemClock.monotonic() + clock.ahead }
  const settings = { controllerUrl: relay.url, workerUrl: worker.url, apiKey: TEST_KEY }
  await using agent = new TestAgent({ dataDir: folder.path, settings, overrides: { clock } })
  const keeps = () =>
    vi.waitFor(() => {
      const { state, applied_version, last_error } = agent.forwarder.status
      expect({ state, applied_version }).toEqual({ state: 'applying', applied_version: null })
      expect(last_error).toContain('answered 409: Cannot take version 1: version 2 was accepted before')
      expect(last_error).toContain('it is not taken back: the controller cannot be asked: answered 503')
      expect(last_error).toContain('this relay cannot reach its controller')
    }, soon)
  await keeps()
  expect(agent.follower.held?.version).toBe(1)
  // Asked once more, it is the same.
  clock.ahead += 31_000
  await keeps()
  expect(await worker.version()).toBe(2)

  // The controller has no more than the relay has: it was restored, and the worker is from before.
  gate.leadTo(port)
  await vi.waitFor(async () => expect((await relay.status()).controller.state).toBe('following'), soon)
  expect(await worker.version()).toBe(2)
  clock.ahead += 31_000
  await vi.waitFor(() => expect(agent.forwarder.status).toMatchObject({ state: 'applied', applied_version: 1, last_error: null }), soon)
  expect(await worker.version()).toBe(1)
})
