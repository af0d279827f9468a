import { describe, expect, test } from 'vitest'
import { plainAnswer, type RawHandler, RawTarget } from '#test/_support/targets.ts'
import { hit, testExecutor } from './attempt.ts'
import { selfSigned } from './certificate.ts'

const answering: RawHandler = (socket) => socket.write(plainAnswer(200, 'secret garden'))
const toLoopback = async () => ['127.0.0.1']

describe('TLS', () => {
  test('to a trusted certificate works by name, with SNI and HTTP/1.1 by ALPN', async () => {
    const tls = selfSigned('some.test')
    const seen: unknown[] = []
    const handler: RawHandler = (socket) => {
      seen.push('servername' in socket ? socket.servername : undefined, 'alpnProtocol' in socket ? socket.alpnProtocol : undefined)
      socket.write(plainAnswer(200, 'x'))
    }
    await using target = await RawTarget.open(handler, { tls: { ...tls, ALPNProtocols: ['h2', 'http/1.1'] } })
    await using executor = testExecutor({ tls: { ca: tls.cert }, resolve: toLoopback })
    const result = await hit(executor, target.url('/', 'some.test'))
    expect(result).toMatchObject({
      status: 'completed',
      timings: { resolve: expect.any(Number), connect: expect.any(Number), tls: expect.any(Number), reused: false },
    })
    expect(seen).toEqual(['some.test', 'http/1.1'])
    expect((await hit(executor, target.url('/', 'some.test'))).timings).toMatchObject({ reused: true })
    expect(await hit(executor, target.url('/', 'some.test.'))).toMatchObject({ status: 'completed' })
    expect(seen.slice(4)).toEqual(['some.test', 'http/1.1'])
  })

  test('works by address, which the certificate names', async () => {
    const tls = selfSigned('some.test')
    await using target = await RawTarget.open(answering, { tls })
    await using executor = testExecutor({ tls: { ca: [tls.cert] } })
    expect(await hit(executor, target.url())).toMatchObject({ status: 'completed', body: 'secret garden' })
  })

  test.each([
    ['that nobody trusts', selfSigned('some.test'), selfSigned('other.test').cert, 'some.test', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['of another name', selfSigned('other.test'), undefined, 'some.test', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['that has run out', selfSigned('some.test', { from: -2, to: -1 }), undefined, 'some.test', 'CERT_HAS_EXPIRED'],
    ['that is not valid yet', selfSigned('some.test', { from: 1, to: 2 }), undefined, 'some.test', 'CERT_NOT_YET_VALID'],
  ])('a certificate %s gives tls_error, and no request is sent', async (_name, tls, ca, host, code) => {
    await using target = await RawTarget.open(answering, { tls })
    await using executor = testExecutor({ tls: { ca: ca ?? tls.cert }, resolve: toLoopback })
    expect(await hit(executor, target.url('/', host))).toMatchObject({ status: 'failed', error_class: 'tls_error', error: expect.stringContaining(code) })
    expect(target.requests).toEqual([])
    await target.allClosed()
  })

  test('NODE_TLS_REJECT_UNAUTHORIZED=0 does not turn verification off', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    try {
      await using target = await RawTarget.open(answering, { tls: selfSigned('some.test') })
      await using executor = testExecutor()
      expect(await hit(executor, target.url())).toMatchObject({ error_class: 'tls_error' })
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
    }
  })

  test('to a target that speaks plain HTTP gives tls_error', async () => {
    await using target = await RawTarget.open(() => {}, { onConnection: (socket) => socket.write('HTTP/1.1 400 X\r\n\r\n') })
    await using executor = testExecutor()
    expect(await hit(executor, target.url().replace('http:', 'https:'))).toMatchObject({ error_class: 'tls_error' })
  })

  test('to a target that resets the handshake gives connection_reset', async () => {
    await using target = await RawTarget.open(() => {}, { onConnection: (socket) => socket.once('data', () => socket.resetAndDestroy()) })
    await using executor = testExecutor()
    expect(await hit(executor, target.url().replace('http:', 'https:'))).toMatchObject({ error_class: 'connection_reset' })
  })

  test('to a target that stalls the handshake gives timeout', async () => {
    await using target = await RawTarget.open(() => {})
    await using executor = testExecutor({ timeoutMs: 200 })
    expect(await hit(executor, target.url().replace('http:', 'https:'))).toMatchObject({ error_class: 'timeout' })
    await target.allClosed()
  })

  test('to a target that wants a certificate of ours gives tls_error', async () => {
    const tls = selfSigned('some.test')
    await using target = await RawTarget.open(answering, { tls: { ...tls, requestCert: true, rejectUnauthorized: true } })
    await using executor = testExecutor({ tls: { ca: tls.cert } })
    expect(await hit(executor, target.url())).toMatchObject({ status: 'failed', error_class: expect.stringMatching(/^(tls_error|connection_reset)$/) })
  })
})
