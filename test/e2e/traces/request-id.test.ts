import { describe, expect, test, vi } from 'vitest'
import { HitAcceptedSchema, HitResultSchema } from '#lib/contract/hit.ts'
import { HitsPageSchema } from '#lib/contract/hits.ts'
import { WorkerConfigSchema } from '#lib/contract/worker.ts'
import { dataOf } from '#test/_support/controller.ts'
import type { LogLine, TestProcess } from '#test/_support/process.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'
import { startService, workerVersion } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { TestWorker } from '#test/_support/worker.ts'
import { engines } from '../../services/worker/engines.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const traceparent = `00-${traceId}-b7ad6b7169203331-01`
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const soon = { timeout: 15_000, interval: 20 }

const about = (service: TestProcess, text: string): LogLine[] => service.lines.filter(({ msg }) => msg.includes(text))

test('the id and the trace of a publish go with its config: on the wire, and into the logs of all three, through a restart too', {
  timeout: 60_000,
}, async () => {
  using folder = new TempFolder()
  await using controller = startService('controller', { DATA_DIR: folder.file('controller') })
  const controllerUrl = `http://127.0.0.1:${await controller.listening()}`
  await using worker = startService('worker', { DATA_DIR: folder.file('worker') })
  const workerPort = await worker.listening()
  await using agent = startService('agent', { CONTROLLER_URL: controllerUrl, WORKER_URL: `http://127.0.0.1:${workerPort}`, DATA_DIR: folder.file('agent') })
  await agent.line('following', ({ msg }) => msg.includes('following the controller'))
  const published = await fetch(`${controllerUrl}/config`, {
    method: 'POST',
    headers: { 'X-API-Key': 'default-api-key', 'Content-Type': 'application/json', 'X-Request-Id': 'change-4711', traceparent },
    body: JSON.stringify({ data: { url: 'http://127.0.0.1:9/' } }),
  })
  expect(published.status).toBe(201)
  await vi.waitFor(async () => expect(await workerVersion(workerPort)).toBe(1), soon)
  const held = await dataOf(await fetch(`http://127.0.0.1:${workerPort}/config`), 200, WorkerConfigSchema)
  expect(held).toMatchObject({ version: 1, request_id: 'change-4711', traceparent })
  await agent.line('the worker', ({ msg }) => msg.includes('worker has the config'))
  const wanted = { version: 1, request_id: 'change-4711', trace_id: traceId }
  expect(about(controller, 'published')).toMatchObject([{ version: 1, request_id: 'change-4711' }])
  expect(about(agent, 'config received')).toMatchObject([wanted])
  expect(about(agent, 'worker has the config')).toMatchObject([wanted])
  expect(about(worker, 'config received')).toMatchObject([wanted])
  for (const service of [agent, worker]) await service[Symbol.asyncDispose]()

  await using again = startService('worker', { DATA_DIR: folder.file('worker'), WORKER_PORT: String(workerPort) })
  await again.listening()
  expect(about(again, 'config read from disk')).toMatchObject([wanted])
  await using agentAgain = startService('agent', {
    CONTROLLER_URL: controllerUrl,
    WORKER_URL: `http://127.0.0.1:${workerPort}`,
    DATA_DIR: folder.file('agent'),
  })
  await agentAgain.line('the worker', ({ msg }) => msg.includes('worker has the config'))
  expect(about(agentAgain, 'serving the worker from the cache')).toMatchObject([wanted])
  expect(about(agentAgain, 'worker has the config')).toMatchObject([wanted])
})

test('an agent sends them as headers, with each try, and says them where the worker refuses', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  await using controller = startService('controller', { DATA_DIR: folder.file('controller') })
  const controllerUrl = `http://127.0.0.1:${await controller.listening()}`
  let answers = [503, 400]
  await using worker = await StubServer.open((request, response) => {
    if (request.method === 'POST') sendJson(response, answers.shift() ?? 200, { message: 'no' })
    else sendJson(response, 404, {})
  })
  await using agent = startService('agent', { CONTROLLER_URL: controllerUrl, WORKER_URL: worker.url, DATA_DIR: folder.file('agent') })
  const publish = (headers: Readonly<Record<string, string>>) =>
    fetch(`${controllerUrl}/config`, {
      method: 'POST',
      headers: { 'X-API-Key': 'default-api-key', 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify({ data: {} }),
    })
  await publish({ 'X-Request-Id': 'change-1', traceparent })
  const refused = await agent.line('the refusal', ({ msg }) => msg.includes('worker refuses the config'))
  expect(refused).toMatchObject({ version: 1, request_id: 'change-1', trace_id: traceId })
  expect(about(agent, 'worker does not take the config')).toMatchObject([{ version: 1, request_id: 'change-1' }])
  // A malformed trace is as good as none, and an id that is none is replaced by one that the controller made.
  answers = []
  await publish({ 'X-Request-Id': 'not an id', traceparent: `${traceparent}-more` })
  await agent.line('the worker', ({ msg, version }) => msg.includes('worker has the config') && version === 2)
  const sent = worker.requests('POST', '/config').map(({ headers }) => [headers['x-request-id'], headers.traceparent])
  expect(sent).toEqual([
    ['change-1', traceparent],
    ['change-1', traceparent],
    [expect.stringMatching(uuid), undefined],
  ])
})

describe.each(engines)('a hit on the %s engine', (_engine, openStore) => {
  test('keeps whose request it was and its trace: to its target, in its result and its list', { timeout: 30_000 }, async () => {
    await using store = await openStore()
    await using target = await StubServer.open((_request, response) => void response.end())
    await using worker = await TestWorker.open({ env: store.env })
    await worker.configure(target.url)
    const { url } = await worker.listen()
    const hit = async (path: string, headers: Readonly<Record<string, string>>) => dataOf(await fetch(`${url}${path}`, { headers }), 200, HitResultSchema)
    const tracestate = 'rojo=00f067aa0ba902b7,congo=t61'
    expect((await hit('/hit?wait=10', { 'X-Request-Id': 'hit-1', traceparent, tracestate })).request_id).toBe('hit-1')
    // Nothing is made up where nothing came.
    expect((await hit('/hit?wait=10', {})).request_id).toMatch(uuid)
    // By the fast lane.
    const answer = await fetch(`${url}/hit`, { headers: { 'X-Request-Id': 'hit-3', traceparent } })
    const { task_id } = await dataOf(answer, 202, HitAcceptedSchema)
    expect(await hit(`/hit/${task_id}?wait=10`, { 'X-Request-Id': 'another' })).toMatchObject({ request_id: 'hit-3' })
    await fetch(`${url}/hits`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Request-Id': 'bulk', traceparent },
      body: JSON.stringify({ count: 2 }),
    })
    await vi.waitFor(() => expect(target.seen).toHaveLength(5), soon)
    expect(target.seen.map(({ headers }) => [headers.traceparent, headers.tracestate])).toEqual([
      [traceparent, tracestate],
      [undefined, undefined],
      [traceparent, undefined],
      [traceparent, undefined],
      [traceparent, undefined],
    ])
    await vi.waitFor(async () => {
      const { hits } = await dataOf(await fetch(`${url}/hits?state=completed`), 200, HitsPageSchema)
      const named = hits.map(({ request_id = '' }) => (uuid.test(request_id) ? 'made' : request_id))
      expect(named.sort()).toEqual(['bulk', 'bulk', 'hit-1', 'hit-3', 'made'])
    }, soon)
  })
})

test('what the config says itself comes before the trace, and another origin is not told of it', { timeout: 30_000 }, async () => {
  await using elsewhere = await StubServer.open((_request, response) => void response.end())
  await using target = await StubServer.open((request, response) => {
    if (request.path === '/away') response.writeHead(302, { Location: elsewhere.url })
    response.end()
  })
  await using worker = await TestWorker.open()
  const own = '00-11111111111111111111111111111111-2222222222222222-00'
  const headers = { traceparent, tracestate: 'a=1' }
  await worker.configure(target.url, 1, { request: { headers: { Traceparent: own } } })
  await worker.request('/hit?wait=10', { headers })
  expect(target.seen.map((request) => [request.headers.traceparent, request.headers.tracestate])).toEqual([[own, undefined]])
  await worker.configure(`${target.url}/away`, 2)
  await worker.request('/hit?wait=10', { headers })
  expect(target.seen[1]?.headers.traceparent).toBe(traceparent)
  expect(elsewhere.seen.map((request) => request.headers.traceparent)).toEqual([undefined])
})

test('log lines of each attempt say whose request it was; a scheduled hit has an id of its own', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  await using worker = startService('worker', { DATA_DIR: folder.path, WORKER_RETRY_MAX: '1', LOG_LEVEL: 'debug' })
  const url = `http://127.0.0.1:${await worker.listening()}`
  const config = (version: number, data: object) =>
    fetch(`${url}/config`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ version, data }) })
  await config(1, { url: 'http://127.0.0.1:9/' })
  await fetch(`${url}/hit?wait=20`, { headers: { 'X-Request-Id': 'hit-1', traceparent } })
  const wanted = { request_id: 'hit-1', trace_id: traceId, config_version: 1 }
  expect(about(worker, 'hit queued')).toMatchObject([wanted])
  expect(about(worker, 'hit failed')).toMatchObject([
    { ...wanted, attempt: 1 },
    { ...wanted, attempt: 2 },
  ])
  await config(2, { url: 'http://127.0.0.1:9/', schedule: { every_seconds: 1 } })
  const made = await worker.line('the scheduled hit', ({ msg, config_version }) => msg.includes('hit failed') && config_version === 2)
  expect(made.request_id).toMatch(uuid)
  expect(made).not.toHaveProperty('trace_id')
})
