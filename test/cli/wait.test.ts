import { describe, expect, it, vi } from 'vitest'
import { TestAgent } from '#test/_support/agent.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'
import { type DcmOptions, dcm } from '#test/_support/dcm.ts'
import { Gate } from '#test/_support/gate.ts'
import { GoWorker } from '#test/_support/go-system.ts'
import { type StubHandler, StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }

/** A worker that refuses every config, with words that a terminal would obey. */
const refusing: StubHandler = (request, response) => {
  const [status, code, message] =
    request.method === 'POST' ? ([400, 'INVALID_REQUEST', 'no\u001b[2J room'] as const) : ([404, 'NOT_FOUND', 'no config loaded'] as const)
  sendJson(response, status, { request_id: 'x', status, success: false, message, error: { code, message } })
}
/** A worker that answers nothing. */
const dead: StubHandler = (_request, response) => void response.destroy()

/** A controller behind a gate, an agent for each of these workers, and the command. */
async function withAgents(workers: readonly StubHandler[]) {
  const stack = new AsyncDisposableStack()
  const controller = stack.use(await TestController.open())
  const { port } = await controller.listen()
  const gate = stack.use(await Gate.open(port))
  for (const [i, handler] of workers.entries()) {
    const worker = stack.use(await StubServer.open(handler))
    const folder = stack.use(new TempFolder())
    const settings = { controllerUrl: `http://127.0.0.1:${port}`, workerUrl: worker.url, apiKey: TEST_KEY, hostname: `host-${i + 1}` }
    stack.use(new TestAgent({ dataDir: folder.path, settings }))
  }
  await vi.waitFor(async () => expect((await controller.deps.fleet.status()).agents.online).toBe(workers.length), soon)
  await vi.waitFor(() => expect(controller.deps.streams.open).toBe(workers.length), soon)
  const run = (args: readonly string[], options?: DcmOptions) => dcm(args, { CONTROLLER_URL: gate.url }, options)
  return { controller, gate, stack, port, run }
}

const healthy = () => new GoWorker().handler

describe('publish --wait', () => {
  it('ends with 0 once every online agent has applied it', async () => {
    const workers = [new GoWorker(), new GoWorker(), new GoWorker()]
    const { stack, run } = await withAgents(workers.map(({ handler }) => handler))
    await using _ = stack
    const ran = await run(['publish', '--set', 'n=1', '--wait'])
    for (const worker of workers) expect(worker.config).toMatchObject({ version: 1 })
    expect(ran).toMatchObject({ exit: 0, stdout: 'published version 1\n' })
    expect(ran.stderr).toMatch(/\nconverged: applied by all 3 online agents that can report, after [\d.]+ m?s\n$/)
  })

  it('says it all in one document with --json', async () => {
    const { stack, run } = await withAgents([healthy(), refusing])
    await using _ = stack
    const ran = await run(['publish', '--set', 'n=1', '--wait', '--json'])
    expect([ran.exit, ran.stderr, ran.stdout.trimEnd().split('\n').length]).toEqual([4, '', 1])
    expect(JSON.parse(ran.stdout)).toMatchObject({
      config: { version: 1, data: { n: 1 } },
      outcome: 'failed',
      reporting: 2,
      applied: 1,
      failed: 1,
      failed_agents: [{ hostname: 'host-2', error: expect.stringContaining('room') }],
    })
  })

  it('ends with 4 where one of three refuses it, at once, and says which and why', async () => {
    const { stack, run } = await withAgents([healthy(), healthy(), refusing])
    await using _ = stack
    const ran = await run(['publish', '--set', 'n=1', '--wait', '--timeout', '600'])
    expect(ran.exit).toBe(4)
    expect(ran.stderr).toMatch(/\nfailed host-3 \([0-9a-f-]{36}\): .*room\n/)
    expect(ran.stderr).toContain('not converged: 2 of 3 online agents applied it, 1 failed; dcm rollback goes back\n')
    expect(ran.stderr).not.toContain('\u001b')
    // And back: rolled back and waited for, it still says that one does not run what it is to run.
    await run(['publish', '--set', 'n=2'])
    expect(await run(['rollback', '1', '--wait'])).toMatchObject({ exit: 4, stdout: 'published version 3, with the content of version 1\n' })
  })

  it('ends with 4 where some failed and others are not done in time', async () => {
    const { stack, run } = await withAgents([refusing, dead])
    await using _ = stack
    const ran = await run(['publish', '--set', 'n=1', '--wait', '--timeout', '2'])
    expect(ran.exit).toBe(4)
    expect(ran.stderr).toContain('failed host-1')
  })

  it('ends with 3 where it takes too long', async () => {
    const { stack, run } = await withAgents([healthy(), dead])
    await using _ = stack
    const ran = await run(['publish', '--set', 'n=1', '--wait', '--timeout', '1'])
    expect(ran).toMatchObject({ exit: 3, stderr: expect.stringMatching(/not converged within 1\.\d s: 1 of 2 online agents applied it/) })
  })

  it('ends with 3 where nobody is there who can report, and names those who cannot', async () => {
    const { stack, run, controller } = await withAgents([])
    await using _ = stack
    expect(await run(['publish', '--set', 'n=1', '--wait'])).toMatchObject({ exit: 3, stderr: expect.stringContaining('no agent that reports is online') })
    // A Go agent registers, and never says what it does.
    await controller.request('/register', { body: { hostname: 'go-host', ip_address: '10.0.0.9', port: 8081 } })
    const ran = await run(['publish', '--set', 'n=2', '--wait'])
    expect(ran).toMatchObject({ exit: 3 })
    expect(ran.stderr).toContain('not reporting, and not counted: go-host\n')
  })

  it('does not wait for those that cannot report', async () => {
    const { stack, run, controller } = await withAgents([healthy()])
    await using _ = stack
    await controller.request('/register', { body: { hostname: 'go-host', ip_address: '10.0.0.9', port: 8081 } })
    const ran = await run(['publish', '--set', 'n=1', '--wait'])
    expect(ran.exit).toBe(0)
    expect(ran.stderr).toContain('not reporting, and not counted: go-host\nconverged: applied by the one online agent that can report')
  })

  it('ends with 3 and says so where a newer version is published meanwhile', async () => {
    const { stack, run, controller } = await withAgents([dead])
    await using _ = stack
    const running = run(['publish', '--set', 'n=1', '--wait'])
    await vi.waitFor(() => expect(controller.deps.feed.current?.version).toBe(1), soon)
    await controller.publish({ n: 2 })
    expect(await running).toMatchObject({ exit: 3, stderr: expect.stringContaining('a newer version, 2, was published meanwhile') })
  })

  it('outlasts a controller that is gone for a while', async () => {
    const slow = Promise.withResolvers<void>()
    const { handler } = new GoWorker()
    const { stack, run, gate, port, controller } = await withAgents([
      async (request, response) => {
        if (request.method === 'POST') await slow.promise
        await handler(request, response)
      },
    ])
    await using _ = stack
    let said = ''
    const running = run(['publish', '--set', 'n=1', '--wait'], { onTalk: (text) => (said += text) })
    await vi.waitFor(() => expect(said).toContain('0 of 1'), soon)
    const asked = vi.spyOn(controller.deps.fleet, 'status')
    gate.cut()
    slow.resolve()
    await vi.waitFor(async () => expect((await controller.deps.fleet.status()).converged_ratio).toBe(1), soon)
    gate.leadTo(port)
    expect(await running).toMatchObject({ exit: 0 })
    expect(asked).toHaveBeenCalled()
  })

  it('says that it does not know where the controller stays away', async () => {
    const { stack, run, gate } = await withAgents([dead])
    await using _ = stack
    let said = ''
    const running = run(['publish', '--set', 'n=1', '--wait', '--timeout', '2'], { onTalk: (text) => (said += text) })
    await vi.waitFor(() => expect(said).toContain('0 of 1'), soon)
    gate.cut()
    expect(await running).toMatchObject({ exit: 3, stderr: expect.stringContaining('not known whether it converged: cannot reach') })
  })

  it.each<[string, number | undefined, number]>([
    ['Ctrl-C', undefined, 130],
    ['SIGTERM', 143, 143],
  ])('ends at %s, and says that the version is published', async (_name, reason, exit) => {
    const { stack, run } = await withAgents([dead])
    await using _ = stack
    const interrupted = new AbortController()
    const onTalk = (text: string) => {
      if (text.includes('0 of 1')) interrupted.abort(reason)
    }
    const ran = await run(['publish', '--set', 'n=1', '--wait'], { signal: interrupted.signal, onTalk })
    expect(ran).toMatchObject({
      exit,
      stdout: 'published version 1\n',
      stderr: expect.stringContaining('interrupted: it is published, and goes on to the fleet'),
    })
  })

  it('draws a bar on a terminal, over itself, and lines elsewhere', async () => {
    const { stack, run } = await withAgents([healthy()])
    await using _ = stack
    const ran = await run(['publish', '--set', 'n=1', '--wait'], { tty: true })
    expect(ran.exit).toBe(0)
    expect(ran.stderr).toContain('\r\u001b[K██████████████████████████████ version 1: 1 of 1 agents applied\n')
    const { stderr } = await run(['publish', '--set', 'n=2', '--wait'])
    for (const drawn of ['\r', '\u001b', '█']) expect(stderr).not.toContain(drawn)
  })
})
