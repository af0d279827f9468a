import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { HitResultSchema } from '#lib/contract/hit.ts'
import { Collector } from '#test/_support/collector.ts'
import { dataOf } from '#test/_support/controller.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'
import { startService, workerVersion } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const traceparent = `00-${traceId}-${parentId}-01`
const soon = { timeout: 15_000, interval: 50 }
const controllerKey = 'a-secret-controller-key'
const workerKey = 'a-secret-worker-key'

/** Controller, agent and worker as processes of their own, which export to one collector. */
async function startSystem(collector: Collector, folder: TempFolder, more: Readonly<Record<string, string>> = {}) {
  const common = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, API_KEY: controllerKey, WORKER_API_KEY: workerKey, ...more }
  const controller = startService('controller', { ...common, CONTROLLER_HOST: '127.0.0.1', DATA_DIR: folder.file('controller') })
  const worker = startService('worker', {
    ...common,
    WORKER_HOST: '127.0.0.1',
    HIT_TARGETS: 'any',
    HIT_SECRET_TOKEN: 'the-secret-token',
    DATA_DIR: folder.file('worker'),
  })
  const ports = { controller: await controller.listening(), worker: await worker.listening() }
  const agent = startService('agent', {
    ...common,
    CONTROLLER_URL: `http://127.0.0.1:${ports.controller}`,
    WORKER_URL: `http://127.0.0.1:${ports.worker}`,
    DATA_DIR: folder.file('agent'),
  })
  const services = [controller, worker, agent]
  return {
    ports,
    services,
    agent,
    publish: (data: object, headers: Readonly<Record<string, string>> = {}) =>
      fetch(`http://127.0.0.1:${ports.controller}/config`, {
        method: 'POST',
        headers: { 'X-API-Key': controllerKey, 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify({ data }),
      }),
    hit: (path: string, headers: Readonly<Record<string, string>> = {}) =>
      fetch(`http://127.0.0.1:${ports.worker}${path}`, { headers: { 'X-API-Key': workerKey, ...headers } }),
    /** Ends all, which exports what is left. */
    stop: async () => {
      for (const service of services) service.signal('SIGTERM')
      return (await Promise.all(services.map(({ ended }) => ended))).map(({ code }) => code)
    },
    [Symbol.asyncDispose]: async () => {
      for (const service of services) await service[Symbol.asyncDispose]()
    },
  }
}

const versionOf = (port: number) => async () => {
  const answer = await fetch(`http://127.0.0.1:${port}/config`, { headers: { 'X-API-Key': workerKey } })
  return answer.status === 200 ? z.object({ data: z.object({ version: z.number() }) }).parse(await answer.json()).data.version : undefined
}

test('one trace goes from the publish through agent and worker, and one from a hit to its target', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  await using collector = await Collector.open()
  let failures = 1
  await using target = await StubServer.open((_request, response) => void response.writeHead(failures-- > 0 ? 503 : 200).end('the body of the target'))
  await using system = await startSystem(collector, folder)
  await system.agent.line('following', ({ msg }) => msg.includes('following the controller'))
  const request = { method: 'POST', headers: { Authorization: `Bearer \${secret:TOKEN}` }, body: 'the body of the hit', expect_status: [200] }
  const published = await system.publish({ url: `${target.url}/path?query=secret`, request }, { traceparent, 'X-Request-Id': 'publish-1' })
  expect(published.status).toBe(201)
  await vi.waitFor(async () => expect(await versionOf(system.ports.worker)()).toBe(1), soon)

  const hitTrace = '4bf92f3577b34da6a3ce929d0e0e4736'
  const answer = await system.hit('/hit?wait=20', { traceparent: `00-${hitTrace}-00f067aa0ba902b7-01`, tracestate: 'rojo=1', 'X-Request-Id': 'hit-1' })
  expect(await dataOf(answer, 200, HitResultSchema)).toMatchObject({ status: 'completed', attempts: 2, request_id: 'hit-1' })
  // Without an inbound trace it begins one.
  await system.hit('/hit?wait=20')
  expect(await system.stop()).toEqual([0, 0, 0])

  const { spans } = collector
  const named = (name: string, of: string) => spans.filter((span) => span.name === name && span.traceId === of)
  const [publish, ...morePublishes] = named('publish', traceId)
  const [deliver] = named('deliver', traceId)
  const [take] = named('take config', traceId)
  expect(morePublishes).toEqual([])
  expect([publish?.service, deliver?.service, take?.service]).toEqual(['dcm-controller', 'dcm-agent', 'dcm-worker'])
  expect([publish?.parentSpanId, deliver?.parentSpanId, take?.parentSpanId]).toEqual([parentId, publish?.spanId, deliver?.spanId])
  for (const span of [publish, deliver, take]) expect(span?.attributes).toMatchObject({ 'dcm.version': 1, 'dcm.request_id': 'publish-1' })

  const [queued] = named('queue hit', hitTrace)
  const attempts = named('hit', hitTrace)
  expect([queued?.parentSpanId, queued?.service]).toEqual(['00f067aa0ba902b7', 'dcm-worker'])
  expect(attempts.map(({ parentSpanId }) => parentSpanId)).toEqual([queued?.spanId, queued?.spanId])
  expect(
    attempts.map(({ attributes, error }) => [attributes['dcm.attempt'], attributes['http.response.status_code'], attributes['error.type'], error]),
  ).toEqual([
    [1, 503, 'unexpected_status', 'unexpected_status'],
    [2, 200, undefined, undefined],
  ])
  expect(attempts[0]?.attributes).toMatchObject({ 'url.full': `${target.url}/path`, 'dcm.request_id': 'hit-1', 'dcm.version': 1 })
  // What the target is told is the attempt itself.
  const told = target.seen.map(({ headers }) => [headers.traceparent, headers.tracestate])
  expect(told.slice(0, 2)).toEqual(attempts.map(({ spanId }) => [`00-${hitTrace}-${spanId}-01`, 'rojo=1']))
  const own = spans.find(({ name, traceId: id }) => name === 'queue hit' && id !== hitTrace)
  expect(own?.parentSpanId).toBeUndefined()
  expect(told[2]?.[0]).toMatch(new RegExp(`^00-${own?.traceId}-`))

  const exported = collector.exports.map(({ body }) => body).join('\n')
  for (const secret of [controllerKey, workerKey, 'the-secret-token', 'secret:TOKEN', 'Bearer', 'query=secret', 'the body of'])
    expect(exported, secret).not.toContain(secret)
})

test('a config that an agent has from its cache is no part of the trace of its publish any more', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  await using collector = await Collector.open()
  await using controller = startService('controller', { DATA_DIR: folder.file('controller') })
  const controllerUrl = `http://127.0.0.1:${await controller.listening()}`
  const taken: (string | undefined)[] = []
  await using worker = await StubServer.open((request, response) => {
    if (request.method === 'POST') taken.push(request.headers.traceparent?.toString())
    sendJson(response, request.method === 'POST' || taken.length > 0 ? 200 : 404, { data: {} })
  })
  await fetch(`${controllerUrl}/config`, {
    method: 'POST',
    headers: { 'X-API-Key': 'default-api-key', 'Content-Type': 'application/json', traceparent },
    body: JSON.stringify({ data: {} }),
  })
  for (const spans of [1, 1]) {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, CONTROLLER_URL: controllerUrl, WORKER_URL: worker.url, DATA_DIR: folder.file('agent') }
    await using agent = startService('agent', env)
    await agent.line('the worker', ({ msg }) => msg.includes('worker has the config'))
    agent.signal('SIGTERM')
    await agent.ended
    expect(collector.spans).toHaveLength(spans)
  }
  const [span] = collector.spans
  // Its worker is told all the same where the config came from.
  expect(taken).toEqual([`00-${traceId}-${span?.spanId}-01`, traceparent])
})

test('the three in one process export each in its own name, or all in the one they are given', { timeout: 60_000 }, async () => {
  for (const [given, wanted] of [
    [{}, ['dcm-agent', 'dcm-controller', 'dcm-worker']],
    [{ OTEL_SERVICE_NAME: 'ours', OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=blue', OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test' }, ['ours']],
  ] as const) {
    using folder = new TempFolder()
    await using collector = await Collector.open()
    await using all = startService('all', { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`, DATA_DIR: folder.path, ...given })
    const ports = new Map<string, number>()
    for (const name of ['controller', 'worker', 'agent']) {
      const { port = 0 } = await all.line(name, ({ msg, part, port }) => part === 'http' && port !== undefined && msg.includes(`${name} listening`))
      ports.set(name, port)
    }
    await all.line('following', ({ msg }) => msg.includes('following the controller'))
    const answer = await fetch(`http://127.0.0.1:${ports.get('controller')}/config`, {
      method: 'POST',
      headers: { 'X-API-Key': 'default-api-key', 'Content-Type': 'application/json' },
      body: JSON.stringify({ data: {} }),
    })
    expect(answer.status).toBe(201)
    await vi.waitFor(async () => expect(await workerVersion(ports.get('worker') ?? 0)).toBe(1), soon)
    all.signal('SIGTERM')
    expect(await all.ended).toEqual({ code: 0, signal: null })
    const { spans } = collector
    expect([...new Set(spans.map(({ service }) => service))].sort()).toEqual(wanted)
    expect(spans.map(({ name }) => name).sort()).toEqual(['deliver', 'publish', 'take config'])
    expect(new Set(spans.map(({ traceId: id }) => id)).size).toBe(1)
    if ('OTEL_SERVICE_NAME' in given) {
      expect(collector.exports.every(({ headers }) => headers['x-tenant'] === 'blue')).toBe(true)
      expect(collector.exports[0]?.body).toContain('deployment.environment')
    }
  }
})

test('a trace that is not sampled is passed on, and not exported', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  await using collector = await Collector.open()
  await using target = await StubServer.open((_request, response) => void response.end())
  await using worker = startService('worker', { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, DATA_DIR: folder.path })
  const url = `http://127.0.0.1:${await worker.listening()}`
  await fetch(`${url}/config`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', traceparent: `00-${traceId}-${parentId}-00` },
    body: JSON.stringify({ version: 1, data: { url: target.url } }),
  })
  await fetch(`${url}/hit?wait=10`, { headers: { traceparent: `00-${traceId}-${parentId}-00` } })
  worker.signal('SIGTERM')
  await worker.ended
  expect(target.seen[0]?.headers.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
  expect(collector.spans).toEqual([])
})

test.each(['refuses', 'is not there'])('a collector that %s is told once, and holds up neither the work nor the stop', { timeout: 60_000 }, async (how) => {
  using folder = new TempFolder()
  await using collector = await Collector.open(403)
  const endpoint = how === 'refuses' ? collector.url : 'http://127.0.0.1:9'
  await using worker = startService('worker', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, DATA_DIR: folder.path })
  const url = `http://127.0.0.1:${await worker.listening()}`
  const config = (version: number) =>
    fetch(`${url}/config`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ version, data: {} }) })
  expect((await config(1)).status).toBe(200)
  if (how === 'refuses') {
    await worker.line('the failure', ({ msg }) => msg.includes('traces cannot be exported'))
    expect((await config(2)).status).toBe(200)
  }
  const began = performance.now()
  worker.signal('SIGTERM')
  expect(await worker.ended).toEqual({ code: 0, signal: null })
  expect(performance.now() - began).toBeLessThan(6000)
  expect(worker.lines.filter(({ msg }) => msg.includes('traces cannot be exported')).length).toBeLessThanOrEqual(1)
})
