import { describe, expect, test } from 'vitest'
import { createGuard } from '#services/worker/hits/guard.ts'
import { plainAnswer, RawTarget } from '#test/_support/targets.ts'
import { hit, testExecutor } from './attempt.ts'
import { TestDns } from './dns-server.ts'

const loopbackOnly = () => createGuard({ targets: { publicAnd: ['127.0.0.1/32'] }, ownListeners: () => [] })
const answering = () => RawTarget.open((socket) => socket.write(plainAnswer(200, 'hello')))
const closing = () => RawTarget.open((socket) => socket.end(plainAnswer(200, 'hello', { Connection: 'close' })))

describe('a name that the DNS turns', () => {
  test('from a harmless address to a refused one is refused at the next connection', async () => {
    await using target = await closing()
    let address = '127.0.0.1'
    await using dns = await TestDns.open(() => [address])
    await using executor = testExecutor({ guard: loopbackOnly(), resolve: dns.resolve })
    expect(await hit(executor, target.url('/', 'rebind.test'))).toMatchObject({ status: 'completed' })
    for (address of ['169.254.169.254', '10.0.0.1', '127.0.0.2', '0.0.0.0']) {
      expect(await hit(executor, target.url('/', 'rebind.test'))).toMatchObject({ status: 'failed', error_class: 'blocked_address' })
    }
    expect(target.connections).toBe(1)
  })

  test('at each question is connected to by the answer that was checked, and asked for once', async () => {
    await using target = await closing()
    let questions = 0
    await using dns = await TestDns.open(() => {
      questions += 1
      // A and AAAA of the first resolution are harmless, all that come after lead inside.
      return questions <= 2 ? ['127.0.0.1'] : ['10.0.0.1']
    })
    await using executor = testExecutor({ guard: loopbackOnly(), resolve: dns.resolve })
    expect(await hit(executor, target.url('/', 'rebind.test'))).toMatchObject({ status: 'completed', body: 'hello' })
    expect(dns.asked).toEqual(['rebind.test', 'rebind.test'])
    expect(target.requests[0]?.headers.host).toBe(`rebind.test:${target.port}`)
  })

  test('while a connection is kept goes on at the address that was checked; a new one is checked anew', async () => {
    await using target = await answering()
    let address = '127.0.0.1'
    await using dns = await TestDns.open(() => [address])
    await using executor = testExecutor({ guard: loopbackOnly(), resolve: dns.resolve })
    await hit(executor, target.url('/', 'rebind.test'))
    address = '10.0.0.1'
    expect(await hit(executor, target.url('/', 'rebind.test'))).toMatchObject({ status: 'completed', timings: { reused: true } })
    expect(dns.asked).toHaveLength(2)
    // A second one at the same time needs a connection of its own.
    const [one, other] = await Promise.all([hit(executor, target.url('/', 'rebind.test')), hit(executor, target.url('/', 'rebind.test'))])
    expect([one.status, other.error_class]).toEqual(['completed', 'blocked_address'])
    expect(target.connections).toBe(1)
  })

  test('between a redirect and its target is refused', async () => {
    await using target = await RawTarget.open((socket, { path }, self) =>
      socket.end(plainAnswer(302, '', { Connection: 'close', Location: path === '/' ? self.url('/again', 'rebind.test') : '/never' })),
    )
    let questions = 0
    await using dns = await TestDns.open(() => {
      questions += 1
      return questions <= 2 ? ['127.0.0.1'] : ['127.0.0.2']
    })
    await using executor = testExecutor({ guard: loopbackOnly(), resolve: dns.resolve })
    expect(await hit(executor, target.url('/', 'rebind.test'))).toMatchObject({ error_class: 'blocked_address' })
    expect(target.connections).toBe(1)
  })
})

describe('answers of several addresses', () => {
  test.each([
    [['127.0.0.1', '10.0.0.1']],
    [['10.0.0.1', '127.0.0.1']],
    [['127.0.0.1', '::1']],
    [['127.0.0.1', 'fe80::1']],
    [['127.0.0.1', '::ffff:10.0.0.1']],
    [['127.0.0.1', '64:ff9b::a00:1']],
    [['8.8.8.8', 'fd00:ec2::254']],
  ])('%j are refused together, whatever their order and family', async (addresses) => {
    await using target = await answering()
    await using dns = await TestDns.open(() => addresses)
    await using executor = testExecutor({ guard: loopbackOnly(), resolve: dns.resolve })
    expect(await hit(executor, target.url('/', 'mixed.test'))).toMatchObject({ status: 'failed', error_class: 'blocked_address' })
    expect(target.connections).toBe(0)
  })

  test('of both families are tried until one answers', async () => {
    await using target = await answering()
    await using dns = await TestDns.open(() => ['127.0.0.2', '::1', '127.0.0.1'])
    await using executor = testExecutor({ resolve: dns.resolve })
    expect(await hit(executor, target.url('/', 'mixed.test'))).toMatchObject({ status: 'completed' })
  })
})

describe('names', () => {
  test('with a trailing dot, or in capitals, mean the same', async () => {
    await using target = await answering()
    await using dns = await TestDns.open((name) => (name === 'inside.test' ? ['10.0.0.1'] : ['127.0.0.1']))
    await using executor = testExecutor({ guard: loopbackOnly(), resolve: dns.resolve })
    for (const host of ['inside.test', 'inside.test.', 'INSIDE.test.'])
      expect(await hit(executor, target.url('/', host))).toMatchObject({ error_class: 'blocked_address' })
    for (const host of ['outside.test', 'outside.test.', 'OutSide.test'])
      expect(await hit(executor, target.url('/', host))).toMatchObject({ status: 'completed' })
  })

  test.each([
    ['does not exist', 3],
    ['fails', 2],
    ['has no address', []],
    ['is not answered for', 'silent'],
  ] as const)('whose question %s give dns_error, and nothing is opened', async (_name, answer) => {
    await using target = await answering()
    await using dns = await TestDns.open(() => answer)
    await using executor = testExecutor({ resolve: dns.resolve })
    expect(await hit(executor, target.url('/', 'some.test'))).toMatchObject({
      status: 'failed',
      error_class: 'dns_error',
      error: expect.stringContaining('some.test'),
    })
    expect(target.connections).toBe(0)
  })

  test('that lead to this worker itself are refused', async () => {
    await using target = await answering()
    await using dns = await TestDns.open(() => ['127.0.0.9'])
    const guard = createGuard({ targets: 'any', ownListeners: () => [{ address: '127.0.0.1', port: target.port }] })
    await using executor = testExecutor({ guard, resolve: dns.resolve })
    expect(await hit(executor, target.url('/', 'self.test'))).toMatchObject({
      error_class: 'blocked_address',
      error: expect.stringContaining('this worker itself'),
    })
  })
})
