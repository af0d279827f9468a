import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfigSchema } from '#lib/contract/config.ts'
import { dataOf, errorOf, TestController } from '#test/_support/controller.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const paths = async (response: Response) => (await errorOf(response, 400, 'INVALID_REQUEST')).error.details?.map(({ path }) => path)

describe('POST /config', () => {
  it('gives a hundred publishers at once a hundred consecutive versions', async () => {
    await using controller = await TestController.open()
    const server = await controller.listen()
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => server.fetch('/config', { body: { data: { i } } })))
    const configs = await Promise.all(answers.map((answer) => dataOf(answer, 201, ConfigSchema)))
    expect(configs.map(({ version }) => version).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
    // Each was told of its own config, and not of another's.
    expect(configs.map(({ data }) => data.i)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect((await dataOf(await server.fetch('/config'), 200, ConfigSchema)).version).toBe(100)
  })

  it('answers with id, version, time and a quoted ETag', async () => {
    await using controller = await TestController.open()
    const answer = await controller.request('/config', { body: { data: { url: 'http://a/' }, comment: 'why', author: 'who' } })
    expect(answer.headers.get('ETag')).toBe('"1"')
    const config = await dataOf(answer, 201, ConfigSchema.strict())
    expect(config).toEqual({
      id: expect.stringMatching(uuid),
      version: 1,
      data: { url: 'http://a/' },
      poll_interval_seconds: 30,
      created_at: expect.stringMatching(/Z$/),
      request_id: answer.headers.get('X-Request-Id'),
    })
    expect(await dataOf(await controller.request('/config/1'), 200, ConfigSchema)).toEqual(config)
  })

  it('gives back exactly what was sent, for any JSON it takes', async () => {
    await using controller = await TestController.open()
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), async (data) => {
        fc.pre(!('url' in data))
        const text = JSON.stringify({ data })
        const before = controller.deps.feed.current?.version ?? 0
        const answer = await controller.request('/config', { body: text })
        if (answer.status !== 201) {
          await errorOf(answer, 400, 'INVALID_REQUEST')
          expect(controller.deps.feed.current?.version ?? 0).toBe(before)
          return
        }
        const { data: sent } = JSON.parse(text)
        expect((await dataOf(answer, 201, ConfigSchema)).data).toEqual(sent)
        expect((await dataOf(await controller.request('/config'), 200, ConfigSchema)).data).toEqual(sent)
        expect((await dataOf(await controller.request(`/config/${before + 1}`), 200, ConfigSchema)).data).toEqual(sent)
      }),
      { numRuns: 100 },
    )
  })

  it.each([
    [undefined, 30],
    [null, 30],
    [0, 30],
    [-5, 30],
    [1, 1],
    [30, 30],
    [86_400, 86_400],
  ])('takes poll_interval_seconds %s as %i', async (sent, stored) => {
    await using controller = await TestController.open()
    const answer = await controller.request('/config', { body: { data: {}, poll_interval_seconds: sent } })
    expect((await dataOf(answer, 201, ConfigSchema)).poll_interval_seconds).toBe(stored)
  })

  it.each(['86401', '1.5', '"30"', 'true', '[]', '{}', '1e9', '-0.5', '9007199254740993'])('answers 400 to poll_interval_seconds %s', async (raw) => {
    await using controller = await TestController.open()
    expect(await paths(await controller.request('/config', { body: `{"data":{},"poll_interval_seconds":${raw}}` }))).toEqual(['poll_interval_seconds'])
  })

  it.each(['http://a', 'https://a.example/x?y#z', 'HTTP://A/', 'http://127.0.0.1:1/', 'http://[::1]/', 'http://ä.example/'])(
    'takes data.url %s',
    async (url) => {
      await using controller = await TestController.open()
      expect((await controller.publish({ url })).data.url).toBe(url)
    },
  )

  it.each([
    '',
    '/x',
    'a.example',
    'ftp://a/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http:a',
    'http:///a b',
    'http://',
    'http://user:pass@a/',
    'http://user@a/',
    ' http://a/',
    'http://a:99999/',
    null,
    7,
    {},
    ['http://a/'],
  ])('answers 400 to data.url %j', async (url) => {
    await using controller = await TestController.open()
    expect(await paths(await controller.request('/config', { body: { data: { url } } }))).toEqual(['data.url'])
  })

  it.each(['null', '[]', '"x"', '7', 'true'])('answers 400 to data %s', async (data) => {
    await using controller = await TestController.open()
    expect(await paths(await controller.request('/config', { body: `{"data":${data}}` }))).toEqual(['data'])
  })

  it('names every violation', async () => {
    await using controller = await TestController.open()
    expect(
      await paths(await controller.request('/config', { body: { data: { url: 7 }, poll_interval_seconds: 'x', comment: 7, author: 'x'.repeat(201) } })),
    ).toEqual(['data.url', 'poll_interval_seconds', 'comment', 'author'])
  })

  it('counts what data says, not how short it was sent', async () => {
    await using controller = await TestController.open({ env: { MAX_CONFIG_BYTES: '1024' } })
    const numbers = (count: number) => `{"data":{"n":[${'1e15,'.repeat(count - 1)}1e15]}}`
    // {"n":[…]} with 16 digits and a comma each.
    expect((await controller.request('/config', { body: numbers(59) })).status).toBe(201)
    await errorOf(await controller.request('/config', { body: numbers(60) }), 413, 'PAYLOAD_TOO_LARGE')
    await errorOf(await controller.request('/config', { body: { data: { x: 'ü'.repeat(600) } } }), 413, 'PAYLOAD_TOO_LARGE')
    expect(controller.deps.feed.current?.version).toBe(1)
  })
})

describe('POST /config with If-Match', () => {
  it.each(['"2"', '2', '"1", "2"', '*'])('publishes with %s where 2 is latest', async (match) => {
    await using controller = await TestController.open()
    await controller.publish()
    await controller.publish()
    expect((await dataOf(await controller.request('/config', { body: { data: {} }, headers: { 'If-Match': match } }), 201, ConfigSchema)).version).toBe(3)
  })

  it.each(['"1"', '"3"', 'W/"2"', '"0"', '', 'x'])('answers 412 to %s where 2 is latest, and says so', async (match) => {
    await using controller = await TestController.open()
    await controller.publish()
    await controller.publish()
    const answer = await controller.request('/config', { body: { data: {} }, headers: { 'If-Match': match } })
    expect(answer.headers.get('ETag')).toBe('"2"')
    expect((await errorOf(answer, 412, 'VERSION_CONFLICT')).error.details).toEqual([{ path: 'latest_version', message: '2' }])
    expect(controller.deps.feed.current?.version).toBe(2)
  })

  it.each([
    ['"0"', 201],
    ['0', 201],
    ['*', 412],
    ['"1"', 412],
  ])('before the first publish, %s gives %i', async (match, status) => {
    await using controller = await TestController.open()
    const answer = await controller.request('/config', { body: { data: {} }, headers: { 'If-Match': match } })
    expect([answer.status, answer.headers.get('ETag')]).toEqual([status, status === 201 ? '"1"' : null])
  })

  it('lets exactly one of many through that read the same version', async () => {
    await using controller = await TestController.open()
    const server = await controller.listen()
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.fetch('/config', { body: { data: {} }, headers: { 'If-Match': '"0"' } })))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 19 }, () => 412)])
    await Promise.all(answers.map((answer) => answer.text()))
  })
})
