import type { DestinationStream } from 'pino'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { RegisterRequestSchema } from '#lib/contract/agent.ts'
import { type Report, ReportSchema } from '#lib/contract/fleet.ts'
import { createLogger, silentLogger } from '#lib/observe/logger.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { Reporter } from '#services/agent/sync/reporter.ts'
import { TestAgent } from '#test/_support/agent.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'
import { GoController, GoWorker, serveGo, versionsGiven } from '#test/_support/go-system.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { type SeenRequest, type StubHandler, StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }

/** A controller that takes reports, one version at a time, and answers them as the test says. */
class ReportingController {
  version = 1
  /** What the next reports are answered with, one after the other; then 200. */
  readonly answers: { readonly status: number; readonly headers?: Readonly<Record<string, string>> }[] = []
  readonly handler: StubHandler = (request, response) => {
    if (request.path === '/register') return sendJson(response, 201, { data: { agent_id: 'a', poll_interval_seconds: 1, capabilities: ['report'] } })
    if (request.path !== '/config') {
      const { status, headers } = this.answers.shift() ?? { status: 200 }
      return sendJson(response, status, { message: 'as the test says', data: { accepted: true } }, headers)
    }
    const etag = `"${this.version}"`
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304, { ETag: etag }).end()
    return sendJson(response, 200, { data: { id: `id-${this.version}`, version: this.version, data: {}, poll_interval_seconds: 1 } }, { ETag: etag })
  }
}

const reportsTo = (server: { requests(method: string, path: string): SeenRequest[] }): Report[] =>
  server.requests('POST', '/agents/a/report').map(({ body }) => ReportSchema.parse(JSON.parse(body)))

describe('to our controller', () => {
  test('a version that the worker has is reported once, without the steps before', async () => {
    using folder = new TempFolder()
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    const report = vi.spyOn(controller.deps.fleet, 'report')
    await using workerServer = await serveGo(new GoWorker())
    const settings = { controllerUrl: `http://127.0.0.1:${port}`, workerUrl: workerServer.url, apiKey: TEST_KEY }
    await using agent = new TestAgent({ dataDir: folder.path, settings })
    for (const version of [1, 2, 3]) {
      await controller.publish({ n: version })
      await vi.waitFor(() => expect(agent.reporter.status).toEqual({ wanted: true, version, state: 'applied', last_error: null }), soon)
    }
    const { agentId } = agent.follower
    expect(report.mock.calls.map(([id, told]) => [id, told])).toEqual([1, 2, 3].map((version) => [agentId, { version, state: 'applied' }]))
  })

  test('a version that the worker refuses is reported with its reason, and neither is sent again until the next one', async () => {
    using folder = new TempFolder()
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    const report = vi.spyOn(controller.deps.fleet, 'report')
    const worker = new GoWorker()
    await using workerServer = await serveGo(worker)
    const settings = { controllerUrl: `http://127.0.0.1:${port}`, workerUrl: workerServer.url, apiKey: TEST_KEY }
    await using agent = new TestAgent({ dataDir: folder.path, settings })
    await controller.publish({ n: 1 })
    await vi.waitFor(() => expect(agent.reporter.status).toMatchObject({ version: 1, state: 'applied' }), soon)
    worker.refusing = { status: 400, message: `no such thing ${'x'.repeat(2000)}` }
    await controller.publish({ n: 2 })
    await vi.waitFor(() => expect(agent.reporter.status).toMatchObject({ version: 2, state: 'failed' }), soon)
    const looks = workerServer.requests('GET', '/config').length
    await vi.waitFor(() => expect(workerServer.requests('GET', '/config').length).toBeGreaterThan(looks + 3), soon)
    expect(versionsGiven(workerServer)).toEqual([1, 2])
    expect(worker.config?.version).toBe(1)
    const failed = report.mock.calls.map(([, state]) => state)[1]
    expect(failed).toMatchObject({ version: 2, state: 'failed' })
    expect(failed?.error).toMatch(/^answered 400: no such thing x+$/)
    expect(report).toHaveBeenCalledTimes(2)
    worker.refusing = undefined
    await controller.publish({ n: 3 })
    await vi.waitFor(() => expect(agent.reporter.status).toMatchObject({ version: 3, state: 'applied' }), soon)
    expect(worker.config?.version).toBe(3)
  })
})

test('handing over that takes long is reported as applying, and what became of it', async () => {
  using folder = new TempFolder()
  await using controller = await StubServer.open(new ReportingController().handler)
  const worker = new GoWorker()
  worker.refusing = { status: 503, message: 'not yet' }
  await using workerServer = await serveGo(worker)
  await using _agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url } })
  await vi.waitFor(() => expect(reportsTo(controller)).toEqual([{ version: 1, state: 'applying' }]), soon)
  worker.refusing = undefined
  await vi.waitFor(() => expect(reportsTo(controller).at(-1)).toEqual({ version: 1, state: 'applied' }), soon)
  expect(reportsTo(controller)).toHaveLength(2)
})

test('a controller that does not know the agent: it registers again at once, then reports', async () => {
  using folder = new TempFolder()
  const its = new ReportingController()
  its.answers.push({ status: 404 })
  await using controller = await StubServer.open(its.handler)
  await using workerServer = await serveGo(new GoWorker())
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url } })
  await vi.waitFor(() => expect(agent.reporter.status).toMatchObject({ state: 'applied', last_error: null }), soon)
  const asked = controller.seen.map(({ method, path }) => `${method} ${path}`)
  const [first, second] = [asked.indexOf('POST /agents/a/report'), asked.lastIndexOf('POST /agents/a/report')]
  expect(asked.slice(first, second)).toContain('POST /register')
  expect(agent.follower.status).toMatchObject({ state: 'following', last_error: null })
})

test('after each registration the state is reported once again', async () => {
  using folder = new TempFolder()
  const its = new ReportingController()
  const first = await StubServer.open(its.handler)
  const { port, url } = first
  await using workerServer = await serveGo(new GoWorker())
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: url, workerUrl: workerServer.url }, overrides: { clock: quickClock } })
  await vi.waitFor(() => expect(agent.reporter.status.state).toBe('applied'), soon)
  await first[Symbol.asyncDispose]()
  await vi.waitFor(() => expect(agent.follower.status.state).toBe('retrying'), soon)
  await using back = await StubServer.open(its.handler, port)
  await vi.waitFor(() => expect(reportsTo(back)).toEqual([{ version: 1, state: 'applied' }]), soon)
})

test('one report at a time, and only the newest: Retry-After is obeyed, what was superseded is forgotten', async () => {
  using folder = new TempFolder()
  const its = new ReportingController()
  its.answers.push({ status: 503, headers: { 'Retry-After': '3' } })
  await using controller = await StubServer.open(its.handler)
  await using workerServer = await serveGo(new GoWorker())
  await using agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, workerUrl: workerServer.url } })
  await vi.waitFor(() => expect(agent.reporter.status.last_error).toContain('answered 503'), soon)
  const refused = performance.now()
  // Following and forwarding go on meanwhile.
  its.version = 2
  await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(2), soon)
  await vi.waitFor(() => expect(reportsTo(controller)).toHaveLength(2), soon)
  expect(performance.now() - refused).toBeGreaterThan(2900)
  expect(reportsTo(controller).map(({ version }) => version)).toEqual([1, 2])
  await vi.waitFor(() => expect(agent.reporter.status).toMatchObject({ version: 2, last_error: null }), soon)
})

test('a report that is refused is said once and left; the next one is sent', async () => {
  using folder = new TempFolder()
  const lines: string[] = []
  const destination: DestinationStream = { write: (line) => lines.push(line) }
  const its = new ReportingController()
  its.answers.push({ status: 400 })
  await using controller = await StubServer.open(its.handler)
  await using workerServer = await serveGo(new GoWorker())
  const settings = { controllerUrl: controller.url, workerUrl: workerServer.url }
  const logger = createLogger({ service: 'agent', level: 'info', format: 'json', destination })
  await using agent = new TestAgent({ dataDir: folder.path, settings, overrides: { logger } })
  await vi.waitFor(() => expect(agent.reporter.status.last_error).toContain('answered 400'), soon)
  const polls = controller.requests('GET', '/config').length
  await vi.waitFor(() => expect(controller.requests('GET', '/config').length).toBeGreaterThan(polls + 2), soon)
  expect(reportsTo(controller)).toHaveLength(1)
  expect(lines.filter((line) => line.includes('does not take a report'))).toHaveLength(1)
  its.version = 2
  await vi.waitFor(() => expect(agent.reporter.status).toMatchObject({ version: 2, state: 'applied' }), soon)
})

test('a reason that is longer than a report may hold is cut', async () => {
  const sent: Report[] = []
  const link = { report: async (report: Report) => void sent.push(report) }
  const stopping = new AbortController()
  const reporter = new Reporter({ link, registerAgain: () => {}, outcomeGapMs: 30_000, logger: silentLogger, clock: systemClock })
  const running = reporter.run(stopping.signal)
  reporter.connected(new Set(['report']))
  reporter.report({ version: 1, state: 'failed', error: 'x'.repeat(5000) })
  await vi.waitFor(() => expect(sent).toHaveLength(1), soon)
  stopping.abort()
  await running
  expect(ReportSchema.parse(sent[0]).error).toBe('x'.repeat(1000))
})

test('a controller that took the same state before another did, or that is asked anew meanwhile, is told it once more', async () => {
  const sent: Report[] = []
  let answer: () => void = () => {}
  let held = Promise.resolve()
  const link = {
    report: (report: Report) => {
      sent.push(report)
      return held
    },
  }
  const stopping = new AbortController()
  const reporter = new Reporter({ link, registerAgain: () => {}, outcomeGapMs: 30_000, logger: silentLogger, clock: systemClock })
  const running = reporter.run(stopping.signal)
  const applied: Report = { version: 7, state: 'applied' }
  reporter.connected(new Set(['report']))
  reporter.report(applied)
  await vi.waitFor(() => expect(reporter.status.state).toBe('applied'), soon)
  // It was restored, and has another version 7: the worker is given that while the agent registers anew.
  reporter.report({ version: 7, state: 'applying' })
  reporter.connected(new Set(['report']))
  held = new Promise((resolve) => {
    answer = resolve
  })
  reporter.report(applied)
  await vi.waitFor(() => expect(sent).toEqual([applied, applied]), soon)
  // The same, with a report on its way to the controller of before.
  reporter.connected(new Set(['report']))
  reporter.report({ version: 7, state: 'applying' })
  held = Promise.resolve()
  answer()
  await vi.waitFor(() => expect(reporter.status.state).toBe('applied'), soon)
  reporter.report(applied)
  await vi.waitFor(() => expect(sent).toEqual([applied, applied, applied]), soon)
  stopping.abort()
  await running
})

test('a Go controller is sent none', async () => {
  using folder = new TempFolder()
  const go = new GoController()
  go.config = { id: 'one', version: 1, data: {}, poll_interval_seconds: 1 }
  await using controller = await serveGo(go)
  await using workerServer = await serveGo(new GoWorker())
  await using agent = new TestAgent({
    dataDir: folder.path,
    settings: { controllerUrl: controller.url, workerUrl: workerServer.url },
    overrides: { clock: quickClock },
  })
  await vi.waitFor(() => expect(agent.forwarder.status.applied_version).toBe(1), soon)
  await vi.waitFor(() => expect(controller.requests('GET', '/config').length).toBeGreaterThan(2), soon)
  expect(controller.seen.filter(({ path }) => path.includes('report'))).toEqual([])
  expect(agent.reporter.status).toEqual({ wanted: false, version: null, state: null, last_error: null })
})

describe('labels', () => {
  test('are sent with the registration', async () => {
    using folder = new TempFolder()
    await using controller = await StubServer.open(new ReportingController().handler)
    const { labels } = loadAgentConfig({ AGENT_LABELS: ' zone=eu-1, rack = 7 ,url=http://x/?a=b,empty=' })
    await using _agent = new TestAgent({ dataDir: folder.path, settings: { controllerUrl: controller.url, labels } })
    await vi.waitFor(() => expect(controller.requests('POST', '/register')).toHaveLength(1), soon)
    const sent = RegisterRequestSchema.parse(JSON.parse(controller.requests('POST', '/register')[0]?.body ?? ''))
    expect(sent.labels).toEqual({ zone: 'eu-1', rack: '7', url: 'http://x/?a=b', empty: '' })
  })

  test('none are none', async () => {
    expect(loadAgentConfig({}).labels).toEqual({})
    expect(loadAgentConfig({ AGENT_LABELS: ' , ' }).labels).toEqual({})
  })

  test.each([
    ['zone', '"zone" is none'],
    ['=eu', '"=eu" is none'],
    ['a:b=c', 'without a colon'],
    ['a=1,a=2', '"a" is given twice'],
    [`${'k'.repeat(65)}=v`, '1 to 64 characters'],
    [`a=${'v'.repeat(257)}`, '<=256 characters'],
    ['__proto__=x', '"__proto__=x" is none'],
    [Array.from({ length: 65 }, (_, n) => `k${n}=v`).join(','), 'at most 64 labels'],
  ])('%s stops the start, with the variable named', (text, why) => {
    const failure = z.object({ message: z.string(), exitCode: z.literal(78) })
    let thrown: unknown
    try {
      loadAgentConfig({ AGENT_LABELS: text })
    } catch (error) {
      thrown = error
    }
    expect(failure.parse(thrown).message).toMatch(/^Cannot start: AGENT_LABELS must be key=value pairs/)
    expect(failure.parse(thrown).message).toContain(why)
  })
})
