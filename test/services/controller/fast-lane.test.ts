import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WrongKeys } from '#lib/http/wrong-keys.ts'
import { DEFAULT_API_KEY } from '#services/controller/config.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'
import { rawRequest, requestBytes } from '#test/_support/raw-http.ts'

/** Headers that decide something about a read, right, wrong and malformed. */
const headers = (key: string) =>
  fc.record(
    {
      'X-API-Key': fc.constantFrom(key, key, 'wrong', ''),
      Authorization: fc.constantFrom(`Bearer ${key}`, 'Bearer wrong', 'Basic x'),
      'If-None-Match': fc.constantFrom('"2"', '2', 'W/"2"', '"1", "2"', '*', '0', '"1"', 'x', ''),
      'X-Config-Id': fc.constantFrom('another', ''),
      Host: fc.constantFrom('localhost', '127.0.0.1:1', 'evil.example', 'localhost:6001'),
      Origin: fc.constantFrom('null', 'https://evil.example', 'http://localhost:6001', 'http://localhost'),
      'Sec-Fetch-Site': fc.constantFrom('cross-site', 'same-origin', 'none'),
    },
    { requiredKeys: [], noNullPrototype: true },
  )

/** The same answer but for what differs between any two: the request id, the date, the connection. */
const comparable = (status: number, fields: Headers, body: string) => ({
  status,
  etag: fields.get('ETag'),
  cache: fields.get('Cache-Control'),
  type: fields.get('Content-Type'),
  authenticate: fields.get('WWW-Authenticate'),
  body: body.replace(fields.get('X-Request-Id') ?? '', 'ID'),
})

describe('the fast lane', () => {
  it.each([
    ['the default key', DEFAULT_API_KEY],
    ['a key of its own', TEST_KEY],
  ])('answers as the routes do, with %s', async (_, key) => {
    // Without an end to its patience: the two ways come from two addresses.
    let now = 0
    const attempts = { wrongKeys: new WrongKeys({ monotonic: () => (now += 60_000) }), address: () => 'an address' }
    await using controller = await TestController.open({ env: { API_KEY: key }, overrides: { attempts } })
    const server = await controller.listen()
    await controller.request('/config', { key, body: { data: {} } })
    await controller.request('/config', { key, body: { data: { name: 'ünïcode 😀' } } })
    const statuses = new Set<number>()
    await fc.assert(
      fc.asyncProperty(headers(key), async (fields) => {
        const sent = { Host: 'localhost', ...fields }
        const lane = await rawRequest(server.port, requestBytes('GET', '/config', { headers: sent }))
        const road = await controller.app.request('/config', { headers: sent })
        if (!lane) throw new Error('closed without an answer')
        expect(comparable(lane.status, lane.headers, lane.body)).toEqual(comparable(road.status, road.headers, await road.text()))
        statuses.add(lane.status)
      }),
      // The examples make sure that each status is met, whatever chance brings.
      { numRuns: 300, examples: [[{ 'X-API-Key': key }], [{ 'X-API-Key': key, 'If-None-Match': '"2"' }], [{}], [{ 'X-API-Key': 'wrong' }]] },
    )
    expect([...statuses].sort()).toEqual([200, 304, 401, 403])
  })

  it.each([
    ['a key given twice', 'X-API-Key: wrong\r\nX-API-Key: a-key-of-its-own\r\n', 403],
    ['a version given twice', 'X-API-Key: a-key-of-its-own\r\nIf-None-Match: "9"\r\nIf-None-Match: "1"\r\n', 304],
    ['a body', 'X-API-Key: a-key-of-its-own\r\nContent-Length: 2\r\n\r\n{}', 200],
  ])('is not misled by %s', async (_, fields, status) => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    await controller.publish()
    expect((await rawRequest(port, `GET /config HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`))?.status).toBe(status)
  })

  it('answers a held request by its own id, or by one of its making', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    const { version } = await controller.publish()
    const poll = (fields: Readonly<Record<string, string>>) =>
      rawRequest(
        port,
        requestBytes('GET', '/config?wait=30', { headers: { Host: 'localhost', 'X-API-Key': TEST_KEY, 'If-None-Match': `"${version}"`, ...fields } }),
      )
    const answers = [poll({ 'X-Request-Id': 'mine' }), poll({})]
    await expect.poll(() => controller.deps.feed.hub.watchers, { interval: 5, timeout: 8000 }).toBe(2)
    await controller.publish()
    const [named, unnamed] = await Promise.all(answers)
    expect(named?.headers.get('X-Request-Id')).toBe('mine')
    expect(named?.body).toContain('"request_id":"mine"')
    expect(unnamed?.headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/)
  })
})
