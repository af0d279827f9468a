import { describe, expect, it } from 'vitest'
import { ConfigSchema } from '#lib/contract/config.ts'
import { dataOf, errorOf, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { rawRequest, requestBytes } from '#test/_support/raw-http.ts'

describe('GET /config', () => {
  it.each(['7', '"7"', 'W/"7"', '"1", "7"', '*'])('answers 304 without a body to If-None-Match: %s at version 7', async (match) => {
    await using controller = await TestController.open()
    for (let i = 0; i < 7; i++) await controller.publish()
    const { port } = await controller.listen()
    const answer = await rawRequest(
      port,
      requestBytes('GET', '/config', { headers: { 'X-API-Key': TEST_KEY, 'If-None-Match': match, 'X-Request-Id': 'mine' } }),
    )
    expect([answer?.status, answer?.body]).toEqual([304, ''])
    expect([
      answer?.headers.get('ETag'),
      answer?.headers.get('Cache-Control'),
      answer?.headers.get('X-Request-Id'),
      answer?.headers.get('Content-Type'),
    ]).toEqual(['"7"', 'no-cache', 'mine', null])
  })

  it.each(['0', '"0"', '6', '"8"', '', 'x', '"6", W/"8"'])('answers 200 to If-None-Match: %s at version 7', async (match) => {
    await using controller = await TestController.open()
    for (let i = 0; i < 7; i++) await controller.publish({ i })
    const answer = await controller.request('/config', { headers: { 'If-None-Match': match } })
    expect([answer.headers.get('ETag'), answer.headers.get('Cache-Control')]).toEqual(['"7"', 'no-cache'])
    expect(await dataOf(answer, 200, ConfigSchema)).toMatchObject({ version: 7, data: { i: 6 } })
  })

  it('needs the id too where X-Config-Id names one', async () => {
    await using controller = await TestController.open()
    const { id } = await controller.publish()
    const read = async (configId: string) => (await controller.request('/config', { headers: { 'If-None-Match': '"1"', 'X-Config-Id': configId } })).status
    expect([await read(id), await read('another'), await read('')]).toEqual([304, 200, 200])
  })

  it('answers 404 before the first publish, whatever the reader holds', async () => {
    await using controller = await TestController.open()
    for (const match of ['', '0', '"1"', '*']) {
      expect((await errorOf(await controller.request('/config', match ? { headers: { 'If-None-Match': match } } : {}), 404, 'NOT_FOUND')).message).toBe(
        'no config available',
      )
    }
  })

  it('holds the latest after a restart', async () => {
    await using controller = await TestController.open()
    const published = await controller.publish({ url: 'http://a/' })
    await using again = await TestController.open({ overrides: { store: controller.deps.store } })
    expect(await dataOf(await again.request('/config'), 200, ConfigSchema)).toEqual(published)
  })

  it.each(['X-API-Key', 'Authorization'])('takes the key by %s', async (header) => {
    await using controller = await TestController.open()
    await controller.publish()
    expect(
      (await controller.request('/config', { key: null, headers: { [header]: header === 'Authorization' ? `Bearer ${TEST_KEY}` : TEST_KEY } })).status,
    ).toBe(200)
  })

  it.each(['/config', '/config/1', '/health'])('serves HEAD %s without a body, with the headers of GET', async (path) => {
    await using controller = await TestController.open()
    await controller.publish()
    const { port } = await controller.listen()
    const get = await rawRequest(port, requestBytes('GET', path, { headers: { 'X-API-Key': TEST_KEY } }))
    const head = await rawRequest(port, [requestBytes('HEAD', path, { headers: { 'X-API-Key': TEST_KEY, Connection: 'close' } })], { head: true })
    expect([head?.status, head?.headers.get('ETag'), head?.headers.get('Content-Type')]).toEqual([
      200,
      get?.headers.get('ETag') ?? null,
      get?.headers.get('Content-Type'),
    ])
  })
})

describe('GET /config/:version', () => {
  it('gives each version as it was published', async () => {
    await using controller = await TestController.open()
    const published = [await controller.publish({ a: 1 }), await controller.publish({ b: 2 })]
    for (const config of published) {
      const answer = await controller.request(`/config/${config.version}`)
      expect(answer.headers.get('ETag')).toBe(`"${config.version}"`)
      expect(await dataOf(answer, 200, ConfigSchema)).toEqual(config)
    }
  })

  it.each(['latest', '1.0', '1e0', '0x1', ' 1', '1 ', '%31%20', '١', '--1', 'NaN', 'constructor', '1;drop'])('answers 400 to %s', async (version) => {
    await using controller = await TestController.open()
    await controller.publish()
    expect((await errorOf(await controller.request(`/config/${encodeURIComponent(decodeURIComponent(version))}`), 400, 'INVALID_VERSION')).message).toBe(
      'version must be a number',
    )
  })

  it.each(['0', '2', '-1', '9007199254740993', '99999999999999999999999', '-0'])('answers 404 to %s', async (version) => {
    await using controller = await TestController.open()
    await controller.publish()
    expect((await errorOf(await controller.request(`/config/${version}`), 404, 'NOT_FOUND')).message).toBe('config version not found')
  })
})

describe('every answer', () => {
  it.each([
    ['keeps', 'abc-1', 'abc-1'],
    ['replaces', 'a b', expect.stringMatching(/^[0-9a-f-]{36}$/)],
  ])('%s the request id %s in header and body', async (_, sent, wanted) => {
    await using controller = await TestController.open()
    await controller.publish()
    for (const path of ['/config', '/config/1', '/config/9', '/nowhere', '/health', '/config?wait=x']) {
      const answer = await controller.request(path, { headers: { 'X-Request-Id': sent } })
      const body: unknown = await answer.json()
      expect(body).toMatchObject({ request_id: wanted, status: answer.status })
      expect(body).toHaveProperty('request_id', answer.headers.get('X-Request-Id'))
    }
  })

  it.each([
    ['PUT', '/config', 405, 'GET, HEAD, POST'],
    ['DELETE', '/config/1', 405, 'GET, HEAD'],
    ['GET', '/register', 405, 'POST'],
    ['POST', '/health', 405, 'GET, HEAD'],
    ['POST', '/openapi.json', 405, 'GET, HEAD'],
    ['GET', '/config/', 404, null],
    ['GET', '/config/1/2', 404, null],
    ['GET', '/', 404, null],
    ['GET', '/Config', 404, null],
  ])('%s %s is %i, Allow: %s', async (method, path, status, allow) => {
    await using controller = await TestController.open()
    const answer = await controller.request(path, { method })
    expect(answer.headers.get('Allow')).toBe(allow)
    await errorOf(answer, status, status === 405 ? 'METHOD_NOT_ALLOWED' : 'NOT_FOUND')
  })
})

describe('HEAD /config/stream', () => {
  it('is refused over a socket: a stream has no end that a HEAD could wait for', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const server = await controller.listen()
    const answer = await server.fetch('/config/stream', { method: 'HEAD' })
    expect([answer.status, answer.headers.get('Allow')]).toEqual([405, 'GET'])
    expect([controller.deps.streams.open, controller.deps.feed.hub.watchers]).toEqual([0, 0])
  })
})
