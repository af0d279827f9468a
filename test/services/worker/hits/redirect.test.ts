import { describe, expect, test } from 'vitest'
import { createGuard } from '#services/worker/hits/guard.ts'
import { plainAnswer, RawTarget } from '#test/_support/targets.ts'
import { hit, jobFor, noStop, testExecutor } from './attempt.ts'

/** Sends every path but `/end` on to where it says. */
const redirecting = (status: number, location: string) =>
  RawTarget.open((socket, { path }) => socket.write(path === '/end' ? plainAnswer(200, 'end') : plainAnswer(status, 'moved', { Location: location })))

describe('redirects', () => {
  test('are followed, on the same connection', async () => {
    await using target = await redirecting(302, '/end')
    await using executor = testExecutor()
    expect(await hit(executor, target.url('/start'))).toMatchObject({ status: 'completed', status_code: 200, body: 'end' })
    expect(target.requests.map(({ path }) => path)).toEqual(['/start', '/end'])
    expect(target.connections).toBe(1)
  })

  test('carry the same Idempotency-Key', async () => {
    await using target = await redirecting(302, '/end')
    await using executor = testExecutor()
    await hit(executor, target.url('/start'))
    const [first, second] = target.requests.map(({ headers }) => headers['idempotency-key'])
    expect(first).toBeDefined()
    expect(second).toBe(first)
  })

  test('may be ten, not eleven', async () => {
    const counting = (limit: number) =>
      RawTarget.open((socket, { path }, self) =>
        socket.write(
          Number(path.slice(1)) < limit ? plainAnswer(302, '', { Location: `${self.url('/')}${Number(path.slice(1)) + 1}` }) : plainAnswer(200, 'end'),
        ),
      )
    await using ten = await counting(10)
    await using eleven = await counting(11)
    await using executor = testExecutor()
    expect(await hit(executor, ten.url('/0'))).toMatchObject({ status: 'completed', body: 'end' })
    expect(await hit(executor, eleven.url('/0'))).toMatchObject({ status: 'failed', error_class: 'too_many_redirects' })
    expect(eleven.requests).toHaveLength(11)
  })

  test('in a circle end as too many', async () => {
    await using target = await redirecting(307, '/again')
    await using executor = testExecutor()
    expect(await hit(executor, target.url())).toMatchObject({ error_class: 'too_many_redirects', error: expect.stringContaining('10 times') })
  })

  test.each([0, false])('are the answer where follow_redirects is %s', async (follow_redirects) => {
    await using target = await redirecting(302, '/end')
    await using executor = testExecutor()
    expect(await hit(executor, target.url('/start'), { follow_redirects })).toMatchObject({ status: 'completed', status_code: 302, body: 'moved' })
  })

  test.each([
    'HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 304 X\r\nLocation: /end\r\n\r\n',
    'HTTP/1.1 201 X\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n',
  ])('%j is no redirect', async (answer) => {
    await using target = await RawTarget.open((socket) => socket.write(answer))
    await using executor = testExecutor()
    expect(await hit(executor, target.url())).toMatchObject({ status: 'completed', body: '' })
    expect(target.requests).toHaveLength(1)
  })

  test('with an endless body are followed all the same', async () => {
    await using target = await RawTarget.open((socket, { path }) =>
      socket.write(path === '/end' ? plainAnswer(200, 'end') : 'HTTP/1.1 302 X\r\nLocation: /end\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'),
    )
    await using executor = testExecutor()
    expect(await hit(executor, target.url('/start'))).toMatchObject({ status: 'completed', body: 'end' })
    expect(target.connections).toBe(2)
  })

  test('share the one deadline', async () => {
    await using target = await RawTarget.open((socket) => setTimeout(() => socket.write(plainAnswer(302, '', { Location: '/' })), 100))
    await using executor = testExecutor({ timeoutMs: 350 })
    expect(await hit(executor, target.url())).toMatchObject({ error_class: 'timeout' })
  })
})

describe('each hop is guarded', () => {
  test.each([
    'ftp://127.0.0.1/',
    'file:///etc/passwd',
    'gopher://127.0.0.1/',
    'http://u:p@127.0.0.1/',
    'http://169.254.169.254/',
    'http://2852039166/',
    '//169.254.169.254/',
    'http://[::ffff:a9fe:a9fe]/',
  ])('a redirect to %s is refused', async (location) => {
    await using target = await redirecting(302, location)
    await using executor = testExecutor()
    expect(await hit(executor, target.url())).toMatchObject({ status: 'failed', error_class: 'blocked_address', error: expect.not.stringContaining('u:p') })
  })

  test('a redirect to a name that leads to a refused address is refused', async () => {
    await using target = await redirecting(302, 'http://inside.test/')
    const guard = createGuard({ targets: { publicAnd: ['127.0.0.1/32'] }, ownListeners: () => [] })
    await using executor = testExecutor({ guard, resolve: async () => ['10.0.0.1'] })
    expect(await hit(executor, target.url())).toMatchObject({
      error_class: 'blocked_address',
      error: expect.stringMatching(/^Cannot GET http:\/\/inside\.test\/: .*inside\.test/),
    })
  })

  test('a redirect to what is no URL is an invalid answer', async () => {
    await using target = await redirecting(302, 'http://[')
    await using executor = testExecutor()
    expect(await hit(executor, target.url())).toMatchObject({ error_class: 'invalid_response' })
  })
})

describe('where a hop fails', () => {
  test('at another origin, that is told; at its own it is not', async () => {
    await using other = await RawTarget.open((socket) => socket.resetAndDestroy())
    await using away = await redirecting(302, other.url())
    await using within = await RawTarget.open((socket, { path }) => {
      if (path === '/') socket.write(plainAnswer(302, '', { Location: '/next' }))
      else socket.resetAndDestroy()
    })
    await using executor = testExecutor()
    const result = { status: 'failed', error_class: 'connection_reset' }
    expect(await executor.execute(jobFor(away.url()), noStop())).toMatchObject({ kind: 'finished', elsewhere: true, result })
    const failed = await executor.execute(jobFor(within.url()), noStop())
    expect(failed).toMatchObject({ kind: 'finished', result })
    expect(failed).not.toHaveProperty('elsewhere')
  })
})

describe('what goes along', () => {
  const secretRequest = {
    method: 'POST',
    headers: { Authorization: 'Bearer s', Cookie: 'a=s', 'X-Api-Key': 's', 'X-Custom': 's', Accept: 'text/plain', 'Content-Type': 'text/plain' },
    body: 'data',
  }

  test.each([
    [301, 'GET', ''],
    [302, 'GET', ''],
    [303, 'GET', ''],
    [307, 'POST', 'data'],
    [308, 'POST', 'data'],
  ])('%d within an origin: a POST becomes %s, with all headers', async (status, method, body) => {
    await using target = await redirecting(status, '/end')
    await using executor = testExecutor()
    await hit(executor, target.url('/start'), secretRequest)
    expect(target.requests[1]).toMatchObject({ method, body })
    expect(target.requests[1]?.headers).toMatchObject({ authorization: 'Bearer s', cookie: 'a=s', 'x-api-key': 's', 'x-custom': 's' })
    expect(target.requests[1]?.headers['content-type']).toBe(body === '' ? undefined : 'text/plain')
  })

  test.each(['GET', 'HEAD'])('%s stays what it is', async (method) => {
    await using target = await redirecting(303, '/end')
    await using executor = testExecutor()
    await hit(executor, target.url('/start'), { method })
    expect(target.requests.map((request) => request.method)).toEqual([method, method])
  })

  test('to another origin goes no credential, and none comes back', async () => {
    await using other = await RawTarget.open((socket, { path }) => socket.write(plainAnswer(307, '', { Location: decodeURIComponent(path.slice(1)) })))
    await using target = await RawTarget.open((socket, { path }, self) =>
      socket.write(path === '/end' ? plainAnswer(200) : plainAnswer(307, '', { Location: other.url(`/${encodeURIComponent(self.url('/end'))}`) })),
    )
    await using executor = testExecutor()
    await hit(executor, target.url('/start'), secretRequest)
    expect(target.requests[0]?.headers).toMatchObject({ authorization: 'Bearer s' })
    for (const request of [other.requests[0], target.requests[1]]) {
      expect(request).toMatchObject({
        method: 'POST',
        body: 'data',
        headers: { accept: 'text/plain', 'content-type': 'text/plain', 'accept-encoding': 'identity', 'idempotency-key': expect.any(String) },
      })
      for (const name of ['authorization', 'cookie', 'x-api-key', 'x-custom']) expect(request?.headers).not.toHaveProperty(name)
    }
  })
})
