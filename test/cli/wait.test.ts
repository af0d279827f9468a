import { describe, expect, it, vi } from 'vitest'
import { TestAgent } from '#test/_support/agent.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'
import { dcm as run } from '#test/_support/dcm.ts'
import { GoWorker, serveGo } from '#test/_support/go-system.ts'
import { type StubHandler, StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }

/** A worker that refuses every config but an empty one. */
const refusing: StubHandler = (request, response) =>
  request.method === 'POST'
    ? sendJson(response, 400, {
        request_id: 'x',
        status: 400,
        success: false,
        message: 'no room\u001b[2J here',
        error: { code: 'INVALID_REQUEST', message: 'no room' },
      })
    : sendJson(response, 404, {
        request_id: 'x',
        status: 404,
        success: false,
        message: 'no config loaded',
        error: { code: 'NOT_FOUND', message: 'no config loaded' },
      })

async function withAgents(workers: readonly string[]) {
  const controller = await TestController.open()
  const { port } = await controller.listen()
  const env = { CONTROLLER_URL: `http://127.0.0.1:${port}` }
  const stack = new AsyncDisposableStack()
  stack.use(controller)
  for (const [i, workerUrl] of workers.entries()) {
    const folder = stack.use(new TempFolder())
    stack.use(new TestAgent({ dataDir: folder.path, settings: { controllerUrl: env.CONTROLLER_URL, workerUrl, apiKey: TEST_KEY, hostname: `host-${i + 1}` } }))
  }
  await vi.waitFor(async () => expect((await controller.deps.fleet.status()).agents.online).toBe(workers.length), soon)
  await vi.waitFor(() => expect(controller.deps.streams.open).toBe(workers.length), soon)
  return { controller, stack, dcm: (...args: string[]) => run(args, env) }
}

describe('publish --wait', () => {
  it('ends with 0 once every agent has applied it', async () => {
    const workers = [new GoWorker(), new GoWorker(), new GoWorker()]
    const servers = await Promise.all(workers.map((worker) => serveGo(worker)))
    const { stack, dcm } = await withAgents(servers.map(({ url }) => url))
    await using _ = stack
    for (const server of servers) stack.use(server)
    const ran = await dcm('publish', '--set', 'n=1', '--wait')
    expect(ran.exit).toBe(0)
    expect(ran.stderr).toContain('version 1 runs on all 3 online agents that report')
    for (const worker of workers) expect(worker.config).toMatchObject({ version: 1 })
    expect(JSON.parse((await dcm('publish', '--set', 'n=2', '--wait', '--json')).stdout)).toMatchObject({ outcome: 'converged', applied: 3, failed: [] })
  })

  it('ends with 4 where one of three refuses, and says which and why', async () => {
    const servers = await Promise.all([new GoWorker(), new GoWorker()].map((worker) => serveGo(worker)))
    const bad = await StubServer.open(refusing)
    const { stack, dcm } = await withAgents([...servers.map(({ url }) => url), bad.url])
    await using _ = stack
    for (const server of [...servers, bad]) stack.use(server)
    const ran = await dcm('publish', '--set', 'n=1', '--wait')
    expect(ran.exit).toBe(4)
    expect(ran.stderr).toMatch(/failed host-3 \(.*\): .*no room/)
    expect(ran.stderr).not.toContain('\u001b[2J')
    expect(ran.stderr).toContain('2 of 3 online agents applied it, 1 failed')
  })

  it('ends with 3 where nobody is there who reports', async () => {
    const { stack, dcm, controller } = await withAgents([])
    await using _ = stack
    // A Go agent is registered, and says nothing of what it does.
    await controller.request('/register', { body: { hostname: 'go', ip_address: '10.0.0.9', port: 8081 } })
    const ran = await dcm('publish', '--set', 'n=1', '--wait')
    expect(ran).toMatchObject({ exit: 3, stderr: expect.stringContaining('no agent that reports is online') })
  })

  it('ends with 3 where it takes too long', async () => {
    const dead = await StubServer.open((_request, response) => void response.destroy())
    const { stack, dcm } = await withAgents([dead.url])
    await using _ = stack
    stack.use(dead)
    expect(await dcm('publish', '--set', 'n=1', '--wait', '--timeout', '1')).toMatchObject({
      exit: 3,
      stderr: expect.stringContaining('0 of 1 online agents applied it in time'),
    })
  })

  it('says that the version is published where it is interrupted', async () => {
    const dead = await StubServer.open((_request, response) => void response.destroy())
    const { stack, controller } = await withAgents([dead.url])
    await using _ = stack
    stack.use(dead)
    const { port } = await controller.listen()
    const interrupted = new AbortController()
    const running = run(['publish', '--set', 'n=1', '--wait'], { CONTROLLER_URL: `http://127.0.0.1:${port}` }, { signal: interrupted.signal })
    await vi.waitFor(() => expect(controller.deps.feed.current?.version).toBe(1), soon)
    await vi.waitFor(async () => {
      interrupted.abort()
      expect((await running).exit).toBeGreaterThan(0)
    }, soon)
    expect(controller.deps.feed.current?.version).toBe(1)
  })
})
