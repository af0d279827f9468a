import { readFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { errorBody } from '#lib/contract/envelope.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { errorOf, TEST_KEY } from '#test/_support/controller.ts'
import { TestRelay } from '#test/_support/relay.ts'
import { type StubHandler, StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 5 }

/** A controller whose keys, and whose mood, a test sets. */
class KeyedController {
  readonly keys = new Set([TEST_KEY])
  /** Answers all with it while it is set. */
  failing: number | undefined
  /** Answers checks with it while it is set. */
  answer: { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } | undefined
  /** Called for each check of a key that is not the relay's own; it may keep the check waiting. */
  onCheck: () => Promise<void> = async () => {}
  readonly checked: string[] = []

  readonly handler: StubHandler = async (request, response) => {
    const key = String(request.headers['x-api-key'])
    const isCheck = request.headers['x-relay-path'] !== undefined && request.method === 'GET'
    if (isCheck) {
      this.checked.push(key)
      await this.onCheck()
    }
    if (isCheck && this.answer) {
      const { status, body, headers } = this.answer
      return void response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
    }
    if (this.failing !== undefined) return sendJson(response, this.failing, { message: 'failing' })
    if (!this.keys.has(key)) return sendJson(response, 403, errorBody('r', 'FORBIDDEN', 'invalid API key'))
    if (request.path === '/register') return sendJson(response, 201, { data: { agent_id: 'a', poll_interval_seconds: 1, capabilities: ['stream'] } })
    // Held open: the relay follows, and asks for nothing more by itself.
    if (request.path === '/config/stream') return void response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(':\n\n')
    if (request.headers['if-none-match'] === '"1"') return void response.writeHead(304, { ETag: '"1"' }).end()
    const data = { id: 'one', version: 1, data: {}, poll_interval_seconds: 30 }
    return sendJson(response, 200, { request_id: 'r', status: 200, success: true, message: 'success', data }, { ETag: '"1"' })
  }
}

/** The machine's clock, which a test can set forward. */
const heldClock = () => {
  const clock = { ...systemClock, ahead: 0, monotonic: () => systemClock.monotonic() + clock.ahead }
  return clock
}

async function keyed(options: { readonly dataDir?: string } = {}) {
  const controller = new KeyedController()
  const server = await StubServer.open(controller.handler)
  const clock = heldClock()
  const relay = await TestRelay.open({ controllerUrl: server.url, clock, ...options })
  await vi.waitFor(async () => expect((await relay.status()).held_version).toBe(1), soon)
  const ask = async (key: string, path = '/config') => (await relay.fetch(path, { key })).status
  return { controller, server, clock, relay, ask }
}

test('no key 401, a wrong one 403, the relay’s own and any other that the controller accepts 200', async () => {
  const { controller, server, relay, ask } = await keyed()
  await using _server = server
  await using _relay = relay
  controller.keys.add('another')
  await errorOf(await relay.fetch('/config', { key: null }), 401, 'UNAUTHORIZED')
  await errorOf(await relay.fetch('/config', { key: 'wrong' }), 403, 'FORBIDDEN')
  expect(await ask(TEST_KEY)).toBe(200)
  expect(await ask('another')).toBe(200)
  // Each asked about once, and its own not at all: it was accepted with the registration.
  for (const key of ['wrong', 'another', TEST_KEY]) await ask(key, '/config/stream?x')
  expect(controller.checked).toEqual(['wrong', 'another'])
})

test('every route needs the key but those of probes and documentation, /status included', async () => {
  const { server, relay } = await keyed()
  await using _server = server
  await using _relay = relay
  for (const path of ['/health', '/ready', '/openapi.json', '/docs']) expect((await relay.fetch(path, { key: null })).status, path).toBe(200)
  for (const path of ['/status', '/config', '/config/1', '/config/stream', '/nothing'])
    await errorOf(await relay.fetch(path, { key: null }), 401, 'UNAUTHORIZED')
  for (const path of ['/register', '/agents/a/report', '/agents/reports']) await errorOf(await relay.fetch(path, { key: null, body: {} }), 401, 'UNAUTHORIZED')
})

test('a verdict lasts 30 s: a revoked key is refused then, the relay’s own too, and a wrong one may become right', async () => {
  const { controller, server, clock, relay, ask } = await keyed()
  await using _server = server
  await using _relay = relay
  controller.keys.add('another')
  expect([await ask('another'), await ask('later'), await ask(TEST_KEY)]).toEqual([200, 403, 200])
  controller.keys.clear()
  controller.keys.add('later')
  clock.ahead += 28_000
  expect([await ask('another'), await ask('later'), await ask(TEST_KEY)]).toEqual([200, 403, 200])
  clock.ahead += 3000
  expect([await ask('another'), await ask('later'), await ask(TEST_KEY)]).toEqual([403, 200, 403])
})

describe('while the controller is away', () => {
  test('only keys that it accepted before are honoured, at once; when it is back the verdict is asked for again', async () => {
    const { controller, server, clock, relay, ask } = await keyed()
    await using _server = server
    await using _relay = relay
    controller.keys.add('another')
    expect(await ask('another')).toBe(200)
    expect(await ask('wrong')).toBe(403)
    clock.ahead += 31_000
    controller.failing = 502
    for (let n = 0; n < 3; n++) expect(await ask('another')).toBe(200)
    const unknown = await relay.fetch('/config', { key: 'unknown' })
    expect(unknown.headers.get('Retry-After')).toBe('5')
    expect((await errorOf(unknown, 503, 'UPSTREAM_UNAVAILABLE')).message).toContain('answered 502')
    await errorOf(await relay.fetch('/config', { key: 'wrong' }), 503, 'UPSTREAM_UNAVAILABLE')
    // It is not asked again for each request.
    expect(controller.checked.filter((key) => key === 'another')).toHaveLength(2)
    clock.ahead += 6000
    controller.failing = undefined
    controller.keys.clear()
    // Known as away until it has answered: this one is let in, and asks.
    expect(await ask('another')).toBe(200)
    await vi.waitFor(async () => expect(await ask('another')).toBe(403), soon)
  })

  test('a controller that answers that it is busy has not looked at the key', async () => {
    const { controller, server, relay } = await keyed()
    await using _server = server
    await using _relay = relay
    for (const status of [429, 500, 503]) {
      controller.failing = status
      await errorOf(await relay.fetch('/config', { key: `unknown-${status}` }), 503, 'UPSTREAM_UNAVAILABLE')
    }
  })

  test('what is kept of known keys on the disk is no key, and goes when it is revoked', async () => {
    using folder = new TempFolder()
    const { controller, server, clock, relay, ask } = await keyed({ dataDir: folder.path })
    await using _server = server
    await using _relay = relay
    controller.keys.add('another')
    await ask('another')
    const kept = () => readFileSync(folder.file('relay-keys.json'), 'utf8')
    expect(kept()).not.toMatch(new RegExp(`another|${TEST_KEY}`))
    const digests = () => JSON.parse(kept().split('\n')[1] ?? '').digests
    expect(digests()).toHaveLength(2)
    controller.keys.delete('another')
    clock.ahead += 31_000
    expect(await ask('another')).toBe(403)
    expect(digests()).toHaveLength(1)
  })
})

test('requests with one unknown key share a check, and a flood of keys is bounded without harm to known ones', async () => {
  const { controller, server, relay, ask } = await keyed()
  await using _server = server
  await using _relay = relay
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  controller.onCheck = () => opened
  const same = Array.from({ length: 20 }, () => ask('same'))
  await vi.waitFor(() => expect(controller.checked).toEqual(['same']), soon)
  const flood = Array.from({ length: 30 }, (_, n) => relay.fetch('/config', { key: `flood-${n}` }))
  const busy = await Promise.race(flood)
  expect(busy.headers.get('Retry-After')).toBe('1')
  await errorOf(busy, 503, 'OVERLOADED')
  expect(await ask(TEST_KEY)).toBe(200)
  expect(controller.checked.length).toBeLessThanOrEqual(8)
  open()
  // Ten wrong keys are told so; from then on they are not looked at, and the right one, known from there, is.
  const asked = await Promise.all(same)
  const statuses = (await Promise.all(flood)).map(({ status }) => status)
  const refused = [...asked, ...statuses.filter((status) => status !== 503)]
  expect(refused.filter((status) => status === 403)).toHaveLength(10)
  expect(refused.filter((status) => status === 429)).toHaveLength(17)
  expect(await ask(TEST_KEY)).toBe(200)
  expect(statuses.filter((status) => status === 503)).toHaveLength(23)
})

describe('an answer to the check of a key', () => {
  test.each([
    ['a proxy’s 404', { status: 404, body: 'default backend - 404' }],
    ['another service’s 404', { status: 404, body: { message: 'not found' } }],
    ['our 404 for something else', { status: 404, body: { ...errorBody('r', 'NOT_FOUND', 'none'), error: { code: 'OTHER', message: 'none' } } }],
    ['a proxy’s 200', { status: 200, body: '<h1>Welcome</h1>' }],
    ['a proxy’s 403', { status: 403, body: 'Forbidden' }],
    ['a 304 without an ETag', { status: 304 }],
    ['a 304 for another version', { status: 304, headers: { ETag: '"2"' } }],
  ])('%s opens to nobody, and shuts out nobody that is known', async (_what, answer) => {
    const { controller, server, clock, relay, ask } = await keyed()
    await using _server = server
    await using _relay = relay
    controller.keys.add('another')
    expect(await ask('another')).toBe(200)
    clock.ahead += 31_000
    controller.answer = answer
    await errorOf(await relay.fetch('/config', { key: 'unknown' }), 503, 'UPSTREAM_UNAVAILABLE')
    expect(await ask('another')).toBe(200)
  })

  test.each([
    ['that there is no config yet', { status: 404, body: errorBody('r', 'NOT_FOUND', 'no config available') }],
    ['as a Go controller does', { status: 304, headers: { ETag: '1' } }],
    ['by a weak ETag', { status: 304, headers: { ETag: 'W/"1"' } }],
  ])('says yes %s', async (_how, answer) => {
    const { controller, server, relay, ask } = await keyed()
    await using _server = server
    await using _relay = relay
    controller.answer = answer
    expect(await ask('another')).toBe(200)
  })
})

test('no key without a verdict makes the relay take its controller for away, or keeps a revoked one alive', async () => {
  const { controller, server, clock, relay, ask } = await keyed()
  await using _server = server
  await using _relay = relay
  controller.keys.add('another')
  expect(await ask('another')).toBe(200)
  controller.keys.delete('another')
  clock.ahead += 31_000
  // Too long to be one: nobody is asked.
  expect(await ask('k'.repeat(1025))).toBe(403)
  expect(controller.checked).toEqual(['another'])
  for (const status of [400, 413, 414, 431]) {
    controller.answer = { status, body: errorBody('r', 'HEADERS_TOO_LARGE', 'too large') }
    expect(await ask('odd'), String(status)).toBe(403)
  }
  controller.answer = { status: 429, body: 'slow down' }
  await errorOf(await relay.fetch('/config', { key: 'odd' }), 503, 'UPSTREAM_UNAVAILABLE')
  controller.answer = { status: 503, body: errorBody('r', 'OVERLOADED', 'busy'), headers: { 'Retry-After': '7' } }
  const busy = await relay.fetch('/config', { key: 'odd' })
  expect(busy.headers.get('Retry-After')).toBe('7')
  await errorOf(busy, 503, 'OVERLOADED')
  // None of these was a verdict, and none says that the controller is away.
  controller.answer = undefined
  controller.keys.add('odd')
  expect(await ask('odd')).toBe(200)
  expect(await ask('another')).toBe(403)
})
