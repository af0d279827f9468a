import { rmSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { publishTo } from '#test/_support/publishing.ts'
import { steadyPort } from '#test/_support/steady-port.ts'
import { agentStatus, startService, workerVersion } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** The worker is looked at every 5 s; a slow machine adds its own. */
const seconds = { timeout: 20_000, interval: 20 }

test('a worker that comes back with nothing gets its config within seconds, with the controller or without', { timeout: 90_000 }, async () => {
  using controllerFolder = new TempFolder()
  using agentFolder = new TempFolder()
  using workerFolder = new TempFolder()
  const workerPort = await steadyPort()
  const startWorker = () => startService('worker', { DATA_DIR: workerFolder.file('data'), WORKER_PORT: String(workerPort) })
  await using controller = startService('controller', { DATA_DIR: controllerFolder.path })
  const port = await controller.listening()
  await publishTo(port, { n: 1 })
  await publishTo(port, { n: 2 })
  await using agent = startService('agent', {
    DATA_DIR: agentFolder.path,
    CONTROLLER_URL: `http://127.0.0.1:${port}`,
    WORKER_URL: `http://127.0.0.1:${workerPort}`,
  })
  const agentPort = await agent.listening()
  /** Starts a worker that knows nothing, waits until it is served, and kills it. */
  const served = async () => {
    rmSync(workerFolder.file('data'), { recursive: true, force: true })
    await using worker = startWorker()
    await worker.listening()
    await vi.waitFor(async () => expect(await workerVersion(workerPort)).toBe(2), seconds)
    await vi.waitFor(
      async () => expect((await agentStatus(agentPort)).worker).toMatchObject({ state: 'applied', applied_version: 2, last_error: null }),
      seconds,
    )
  }
  await served()
  controller.signal('SIGKILL')
  await controller.ended
  await served()
  expect(await agentStatus(agentPort)).toMatchObject({ held_version: 2, controller: { state: 'retrying' } })
})
