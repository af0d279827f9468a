import { once } from 'node:events'
import { get } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { Admission } from '#lib/http/admission.ts'
import { createApp } from '#lib/http/app.ts'
import { serve } from '#lib/http/serve.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { RequestCounts } from '#lib/observe/metrics/requests.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'
import { rawRequest, requestBytes } from '#test/_support/raw-http.ts'
import { type Scrape, scrape } from '#test/_support/scrape.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { TestWorker } from '#test/_support/worker.ts'

const requestsOf = (scraped: Scrape) => scraped.of('dcm_http_requests_total')
const timedOf = (scraped: Scrape) => scraped.of('dcm_http_request_duration_seconds_count')
const inOf = (route: string, method: string, status: number) => `{route="${route}",method="${method}",status="${status}"}`

describe('the answers of a controller are counted', () => {
  it('by the pattern of their route, method and status: by the routes', async () => {
    await using controller = await TestController.open()
    const { fetch } = await controller.listen()
    await fetch('/config', { body: { data: {} } })
    await fetch('/config', { body: { data: { url: 'no' } } })
    await fetch('/config/1')
    await fetch('/config/7')
    // Two patterns fit, and the first takes it.
    await fetch('/config/schema')
    await fetch('/agents/one')
    await fetch('/agents/two')
    await fetch('/agents/two', { key: null })
    await fetch('/agents?state=failed', { method: 'HEAD' })
    const scraped = await scrape((path) => fetch(path))
    expect(requestsOf(scraped)).toEqual({
      [inOf('/config', 'POST', 201)]: 1,
      [inOf('/config', 'POST', 400)]: 1,
      [inOf('/config/:version', 'GET', 200)]: 1,
      [inOf('/config/:version', 'GET', 404)]: 1,
      [inOf('/config/schema', 'GET', 404)]: 1,
      [inOf('/agents/:id', 'GET', 404)]: 2,
      [inOf('/agents/:id', 'GET', 401)]: 1,
      [inOf('/agents', 'HEAD', 200)]: 1,
    })
    expect(timedOf(scraped)['{route="/agents/:id",method="GET"}']).toBe(3)
    // The scrape before is counted by the next.
    expect(requestsOf(await scrape((path) => fetch(path)))[inOf('/metrics', 'GET', 200)]).toBe(1)
  })

  it('by the fast lane as by the routes, held ones when they are answered, and without their time', async () => {
    await using controller = await TestController.open()
    const { fetch, port } = await controller.listen()
    await controller.publish()
    await fetch('/config')
    await fetch('/config', { headers: { 'If-None-Match': '"1"' } })
    // No lane takes a read with another query.
    await fetch('/config?x=1')
    const held = fetch('/config?wait=30', { headers: { 'If-None-Match': '"1"' } })
    const heldByRoutes = fetch('/config?wait=30&x=1', { headers: { 'If-None-Match': '"1"' } })
    await vi.waitFor(() => expect(controller.deps.feed.hub.watchers).toBe(2))
    const stream = get({ port, host: '127.0.0.1', path: '/config/stream', headers: { 'X-API-Key': TEST_KEY } })
    await once(stream, 'response')
    const before = await scrape((path) => fetch(path))
    expect(before.value('dcm_watchers{kind="wait"}')).toBe(2)
    expect(before.value('dcm_watchers{kind="stream"}')).toBe(1)
    expect(requestsOf(before)).toEqual({ [inOf('/config', 'GET', 200)]: 2, [inOf('/config', 'GET', 304)]: 1, [inOf('/config/stream', 'GET', 200)]: 1 })
    await controller.publish()
    await Promise.all([held, heldByRoutes])
    const after = await scrape((path) => fetch(path))
    expect(requestsOf(after)[inOf('/config', 'GET', 200)]).toBe(4)
    expect(timedOf(after)['{route="/config",method="GET"}']).toBe(3)
    expect(timedOf(after)['{route="/config/stream",method="GET"}']).toBeUndefined()
    stream.destroy()
  })

  it('bounded: whatever path and method is asked for, and what is no HTTP at all', async () => {
    await using controller = await TestController.open()
    const { fetch, port } = await controller.listen()
    for (let at = 0; at < 50; at++) await fetch(`/no-such-${at}/${at}?q=${at}`)
    for (const method of ['PROPFIND', 'PURGE', 'LOCK']) await rawRequest(port, requestBytes(method, '/config', { headers: { 'X-API-Key': TEST_KEY } }))
    await rawRequest(port, ['this is no HTTP\r\n\r\n'])
    await rawRequest(port, requestBytes('GET', `/config`, { headers: { 'X-Long': 'x'.repeat(17 * 1024) } }))
    await rawRequest(port, ['CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n'])
    // A Host that makes no URL never reaches the app.
    await rawRequest(port, ['GET /config/1 HTTP/1.1\r\nHost: a b\r\n\r\n'])
    expect(requestsOf(await scrape((path) => fetch(path)))).toEqual({
      [inOf('other', 'GET', 404)]: 50,
      [inOf('/config', 'other', 405)]: 3,
      [inOf('other', 'other', 400)]: 2,
      [inOf('other', 'other', 431)]: 1,
      [inOf('other', 'GET', 400)]: 1,
    })
  })
})

it('what admission control sends away is counted, by the route of a lane', async () => {
  const requests = new RequestCounts(['/config'])
  const app = createApp({ logger: silentLogger })
  const listening = await serve({
    fetch: app.fetch,
    port: 0,
    host: '127.0.0.1',
    name: 'controller',
    admission: new Admission({ max_in_progress: 0, max_new_connections_per_second: 1 }),
    requests,
  })
  const first = connect(listening.port, '127.0.0.1')
  await once(first, 'connect')
  await rawRequest(listening.port, requestBytes('GET', '/config'))
  await rawRequest(listening.port, requestBytes('GET', '/other/path'))
  first.destroy()
  await listening.close(AbortSignal.abort())
  const [counted] = requests.families
  const samples = counted?.type === 'counter' ? await counted.read() : []
  expect(samples.map(({ labels, value }) => [labels?.route, labels?.status, value])).toEqual([
    ['/config', '503', 1],
    ['other', '503', 1],
  ])
})

it('hits of the fast lane are counted with their time, and those that wait for their end without it', async () => {
  await using target = await StubServer.open((_request, response) => void response.end('hello'))
  await using worker = await TestWorker.open()
  await worker.configure(target.url)
  const { url } = await worker.listen()
  for (let at = 0; at < 3; at++) await (await fetch(`${url}/hit`)).text()
  const answer = await fetch(`${url}/hit?wait=10`)
  expect(answer.status).toBe(200)
  await answer.text()
  const scraped = await scrape((path) => fetch(`${url}${path}`))
  expect(requestsOf(scraped)).toEqual({ [inOf('/hit', 'GET', 202)]: 3, [inOf('/hit', 'GET', 200)]: 1 })
  expect(timedOf(scraped)).toEqual({ '{route="/hit",method="GET"}': 3 })
})
