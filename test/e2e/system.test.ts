import { describe, expect, test, vi } from 'vitest'
import { StubServer } from '#test/_support/stub-server.ts'
import { agentStatus, finalResult, publishUrl, queueHit, startService, workerVersion } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 10 }
const target = () => StubServer.open((request, response) => void response.end(`hello ${request.path}`))

/** The port in the log line of a service that runs beside others in one process. */
const portOf = async (process: ReturnType<typeof startService>, name: string): Promise<number> => {
  const line = await process.line(`${name} listening`, ({ msg }) => msg.includes(`${name} listening`))
  if (line.port === undefined) throw new Error(`${name} named no port`)
  return line.port
}

test('one command: a publish is at the worker within a second, and a hit has its result', { timeout: 40_000 }, async () => {
  using folder = new TempFolder()
  await using server = await target()
  await using all = startService('all', { DATA_DIR: folder.path })
  const [controller, agent, worker] = await Promise.all([portOf(all, 'controller'), portOf(all, 'agent'), portOf(all, 'worker')])
  await vi.waitFor(async () => expect((await agentStatus(agent)).controller.via).toBe('stream'), soon)

  const published = performance.now()
  const version = await publishUrl(controller, `${server.url}/first`)
  await vi.waitFor(async () => expect(await workerVersion(worker)).toBe(version), { timeout: 1000, interval: 5 })
  expect(performance.now() - published).toBeLessThan(1000)

  const { status, taskId } = await queueHit(worker)
  expect(status).toBe(202)
  expect(await finalResult(worker, taskId ?? '')).toMatchObject({ status: 'completed', status_code: 200, body: 'hello /first', config_version: version })
  expect(await agentStatus(agent)).toMatchObject({ held_version: version, worker: { state: 'applied', applied_version: version } })

  all.signal('SIGTERM')
  expect(await all.ended).toEqual({ code: 0, signal: null })
})

describe('three processes', () => {
  test('with the controller gone, agent and worker go on, through restarts of their own, and catch up when it is back', { timeout: 90_000 }, async () => {
    using controllerFolder = new TempFolder()
    using agentFolder = new TempFolder()
    using workerFolder = new TempFolder()
    await using server = await target()
    const startController = (port: string) => startService('controller', { DATA_DIR: controllerFolder.path, CONTROLLER_PORT: port })
    let controllerPort: number
    let workerPort: number
    {
      await using controller = startController('0')
      await using worker = startService('worker', { DATA_DIR: workerFolder.path })
      controllerPort = await controller.listening()
      workerPort = await worker.listening()
      await using _agent = startService('agent', {
        DATA_DIR: agentFolder.path,
        CONTROLLER_URL: `http://127.0.0.1:${controllerPort}`,
        WORKER_URL: `http://127.0.0.1:${workerPort}`,
      })
      await publishUrl(controllerPort, `${server.url}/one`)
      await vi.waitFor(async () => expect(await workerVersion(workerPort)).toBe(1), soon)
      // All three end here by kill -9.
    }
    // The worker alone serves hits before any agent has called.
    await using worker = startService('worker', { DATA_DIR: workerFolder.path, WORKER_PORT: String(workerPort) })
    await worker.listening()
    const { taskId } = await queueHit(workerPort)
    expect(await finalResult(workerPort, taskId ?? '')).toMatchObject({ status: 'completed', body: 'hello /one' })
    // The agent starts from its cache, without a controller, and is ready for its work.
    await using agent = startService('agent', {
      DATA_DIR: agentFolder.path,
      CONTROLLER_URL: `http://127.0.0.1:${controllerPort}`,
      WORKER_URL: `http://127.0.0.1:${workerPort}`,
    })
    const agentPort = await agent.listening()
    await vi.waitFor(
      async () => expect(await agentStatus(agentPort)).toMatchObject({ held_version: 1, controller: { state: 'retrying' }, worker: { applied_version: 1 } }),
      soon,
    )
    expect((await fetch(`http://127.0.0.1:${agentPort}/ready`)).status).toBe(200)

    await using controller = startController(String(controllerPort))
    await controller.listening()
    await publishUrl(controllerPort, `${server.url}/two`)
    await vi.waitFor(async () => expect(await workerVersion(workerPort)).toBe(2), soon)
  })

  test('SIGTERM drains: held long polls are answered, a hit under way ends, exit 0; a second signal exits at once', { timeout: 60_000 }, async () => {
    using folder = new TempFolder()
    const held: (() => void)[] = []
    await using slow = await StubServer.open((_request, response) => {
      held.push(() => response.end('late'))
    })
    await using controller = startService('controller', { DATA_DIR: folder.path })
    await using worker = startService('worker', { DATA_DIR: folder.path, SHUTDOWN_TIMEOUT_SECONDS: '20' })
    const [controllerPort, workerPort] = await Promise.all([controller.listening(), worker.listening()])
    const poll = fetch(`http://127.0.0.1:${controllerPort}/config?wait=60`, { headers: { 'X-API-Key': 'default-api-key' } })
    await vi.waitFor(
      async () =>
        expect(await (await fetch(`http://127.0.0.1:${controllerPort}/health`)).json()).toMatchObject({ data: { parts: { watchers: { waiting: 1 } } } }),
      soon,
    )
    controller.signal('SIGTERM')
    const answer = await poll
    expect(answer.status).toBe(503)
    // Somewhere in a window of a second, as each watcher's time differs.
    expect(answer.headers.get('Retry-After')).toMatch(/^[12]$/)
    expect(await controller.ended).toEqual({ code: 0, signal: null })

    await fetch(`http://127.0.0.1:${workerPort}/config`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ version: 1, data: { url: slow.url } }),
    })
    const { taskId } = await queueHit(workerPort)
    await vi.waitFor(() => expect(held).toHaveLength(1), soon)
    worker.signal('SIGTERM')
    await worker.line('draining', ({ msg }) => msg.includes('draining'))
    for (const end of held) end()
    expect(await worker.ended).toEqual({ code: 0, signal: null })

    await using again = startService('worker', { DATA_DIR: folder.path })
    const port = await again.listening()
    expect(await finalResult(port, taskId ?? '')).toMatchObject({ status: 'completed', body: 'late', attempts: 1 })
    expect(held).toHaveLength(1)
    // A hit that never ends, and an operator who does not wait.
    const { taskId: stuck } = await queueHit(port)
    await vi.waitFor(() => expect(held).toHaveLength(2), soon)
    again.signal('SIGTERM')
    await again.line('draining', ({ msg }) => msg.includes('draining'))
    again.signal('SIGTERM')
    expect(await again.ended).toEqual({ code: 143, signal: null })
    // Nothing that was acknowledged is lost then either.
    await using third = startService('worker', { DATA_DIR: folder.path })
    const thirdPort = await third.listening()
    await vi.waitFor(() => expect(held).toHaveLength(3), soon)
    held.at(-1)?.()
    expect(await finalResult(thirdPort, stuck ?? '')).toMatchObject({ status: 'completed', attempts: 1 })
  })
})
