import { describe, expect, test } from 'vitest'
import { verifyPeer } from '#services/worker/hits/connector.ts'
import { createGuard } from '#services/worker/hits/guard.ts'
import { plainAnswer, RawTarget } from '#test/_support/targets.ts'
import { hit, testExecutor } from './attempt.ts'

const loopbackOnly = () => createGuard({ targets: { publicAnd: ['127.0.0.1/32'] }, ownListeners: () => [] })
const answering = () => RawTarget.open((socket) => socket.write(plainAnswer(200, 'hello')))

describe('names', () => {
  test('are resolved once, and connected to by that very answer', async () => {
    await using target = await answering()
    const asked: string[] = []
    await using executor = testExecutor({
      resolve: async (name) => {
        asked.push(name)
        return ['127.0.0.1']
      },
    })
    const result = await hit(executor, target.url('/', 'some.test'))
    expect(result).toMatchObject({ status: 'completed', timings: { resolve: expect.any(Number), connect: expect.any(Number) } })
    expect(asked).toEqual(['some.test'])
    expect(target.requests[0]?.headers.host).toBe(`some.test:${target.port}`)
  })

  test.each([
    ['ENOTFOUND', async () => Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND some.test'), { code: 'ENOTFOUND' }))],
    ['no address', async () => []],
  ])('that cannot be resolved (%s) give dns_error', async (_name, resolve) => {
    await using executor = testExecutor({ resolve })
    expect(await hit(executor, 'http://some.test/')).toMatchObject({ status: 'failed', error_class: 'dns_error', error: expect.stringContaining('some.test') })
  })

  test('that no DNS knows give dns_error by the system too', async () => {
    await using executor = testExecutor({ timeoutMs: 15_000 })
    expect(await hit(executor, `http://${'a'.repeat(64)}.invalid/`)).toMatchObject({ status: 'failed', error_class: 'dns_error' })
  })

  test('that take too long to resolve give timeout', async () => {
    await using executor = testExecutor({ resolve: () => new Promise(() => {}), timeoutMs: 50 })
    expect(await hit(executor, 'http://some.test/')).toMatchObject({ error_class: 'timeout' })
  })

  test('asked for by several hits at once are resolved once', async () => {
    await using target = await answering()
    let asked = 0
    await using executor = testExecutor({
      resolve: async () => {
        asked += 1
        return ['127.0.0.1']
      },
    })
    await Promise.all([1, 2, 3].map(() => hit(executor, target.url('/', 'some.test'))))
    expect(asked).toBe(1)
  })
})

describe('a refused address', () => {
  test.each([['169.254.169.254'], ['10.9.8.7'], ['::ffff:169.254.169.254'], ['64:ff9b::a9fe:a9fe']])(
    '%s behind a name is refused and not shown',
    async (address) => {
      await using executor = testExecutor({ guard: loopbackOnly(), resolve: async () => [address] })
      const result = await hit(executor, 'http://some.test/')
      expect(result).toMatchObject({ status: 'failed', error_class: 'blocked_address', error: expect.stringContaining('some.test') })
      expect(JSON.stringify(result)).not.toContain(address)
      expect(JSON.stringify(result)).not.toMatch(/169\.254|10\.9/)
    },
  )

  test('among harmless ones is refused with them', async () => {
    await using target = await answering()
    await using executor = testExecutor({ guard: loopbackOnly(), resolve: async () => ['127.0.0.1', '10.0.0.1'] })
    expect(await hit(executor, target.url('/', 'some.test'))).toMatchObject({ error_class: 'blocked_address' })
    expect(target.connections).toBe(0)
  })

  test('that a name turns to later is refused (DNS rebinding)', async () => {
    await using target = await RawTarget.open((socket) => socket.end(plainAnswer(200, 'x', { Connection: 'close' })))
    const answers = [['127.0.0.1'], ['127.0.0.2']]
    await using executor = testExecutor({ guard: loopbackOnly(), resolve: async () => answers.shift() ?? [] })
    expect(await hit(executor, target.url('/', 'some.test'))).toMatchObject({ status: 'completed' })
    expect(await hit(executor, target.url('/', 'some.test'))).toMatchObject({ error_class: 'blocked_address' })
    expect(target.connections).toBe(1)
  })

  test.each(['http://127.0.0.2/', 'http://127.2/', 'http://0x7f000002/', 'http://[::1]/', 'http://[::ffff:7f00:2]/'])(
    'written as %s is refused',
    async (url) => {
      await using executor = testExecutor({ guard: loopbackOnly() })
      expect(await hit(executor, url)).toMatchObject({ error_class: 'blocked_address' })
    },
  )

  test.each(['ftp://127.0.0.1/', 'http://u:p@127.0.0.1/', 'no url', '/relative'])('%s is refused as a target', async (url) => {
    await using executor = testExecutor()
    expect(await hit(executor, url)).toMatchObject({ status: 'failed', error_class: 'blocked_address', error: expect.not.stringContaining('u:p') })
  })

  test('is what the worker listens on', async () => {
    await using target = await answering()
    const guard = createGuard({ targets: 'any', ownListeners: () => [{ address: '127.0.0.1', port: target.port }] })
    await using executor = testExecutor({ guard })
    for (const host of ['127.0.0.1', 'localhost', '127.0.0.9', '0.0.0.0'])
      expect(await hit(executor, target.url('/', host))).toMatchObject({ error_class: 'blocked_address' })
    expect(target.connections).toBe(0)
  })
})

describe('the peer of a connection', () => {
  test.each([
    ['127.0.0.1', ['127.0.0.1']],
    ['::ffff:127.0.0.1', ['127.0.0.1']],
    ['127.0.0.1', ['::ffff:7f00:1']],
    ['::1', ['127.0.0.1', '0:0:0:0:0:0:0:1']],
  ])('%s is one of %j', (remoteAddress, checked) => {
    expect(() => verifyPeer({ remoteAddress }, checked)).not.toThrow()
  })

  test('that was not checked is refused, and not shown', () => {
    expect(() => verifyPeer({ remoteAddress: '10.0.0.1' }, ['127.0.0.1'])).toThrow(
      expect.objectContaining({ error_class: 'blocked_address', message: expect.not.stringContaining('10.0') }),
    )
    expect(() => verifyPeer({ remoteAddress: undefined }, ['127.0.0.1'])).toThrow(expect.objectContaining({ error_class: 'connection_reset' }))
  })
})

describe('several addresses', () => {
  test('are tried until one answers', async () => {
    await using target = await answering()
    await using executor = testExecutor({ resolve: async () => ['127.0.0.2', '127.0.0.3', '127.0.0.1'] })
    expect(await hit(executor, target.url('/', 'some.test'))).toMatchObject({ status: 'completed' })
  })

  test('that all refuse give connection_refused', async () => {
    await using target = await answering()
    await using executor = testExecutor({ resolve: async () => ['127.0.0.2', '127.0.0.3'] })
    expect(await hit(executor, target.url('/', 'some.test'))).toMatchObject({
      error_class: 'connection_refused',
      error: expect.not.stringContaining('127.0.0.2'),
    })
  })
})
