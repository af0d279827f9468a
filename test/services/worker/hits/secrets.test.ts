import { describe, expect, test } from 'vitest'
import { DataRequestSchema } from '#lib/contract/hit-request.ts'
import { withSecrets } from '#services/worker/hits/secrets.ts'
import { plainAnswer, RawTarget } from '#test/_support/targets.ts'
import { hit, jobFor, testExecutor } from './attempt.ts'

const secrets = new Map([
  ['API_KEY', 'k-1'],
  ['PASSWORD_2', 'p"2'],
  ['LINES', 'one\r\nX-Evil: 1'],
  ['MONEY', `$& $1 \${secret:API_KEY}`],
])
const reference = (name: string): string => `\${secret:${name}}`
const withRequest = (request: object) => withSecrets(DataRequestSchema.parse(request), secrets)
const answering = () => RawTarget.open((socket) => socket.write(plainAnswer(200, 'hello')))

describe('secrets', () => {
  test('stand in header values and the body of what is sent', async () => {
    await using target = await answering()
    await using executor = testExecutor({ secrets })
    const request = {
      method: 'POST',
      headers: { Authorization: `Bearer ${reference('API_KEY')}`, 'X-Two': `${reference('API_KEY')},${reference('API_KEY')}`, 'X-None': 'as it is' },
      body: `{"key":"${reference('PASSWORD_2')}"}`,
    }
    expect(await hit(executor, target.url(), request)).toMatchObject({ status: 'completed' })
    expect(target.requests[0]).toMatchObject({
      headers: { authorization: 'Bearer k-1', 'x-two': 'k-1,k-1', 'x-none': 'as it is', 'content-length': '13' },
      body: '{"key":"p"2"}',
    })
  })

  test('are taken as they are, whatever they hold', () => {
    expect(withRequest({ method: 'POST', body: `<${reference('MONEY')}>` }).request.body).toBe(`<${secrets.get('MONEY')}>`)
  })

  test('that this worker does not have fail the hit without a request, and say what to do', async () => {
    await using target = await answering()
    await using executor = testExecutor({ secrets })
    const outcome = await executor.execute(jobFor(target.url('/x?q'), { headers: { 'X-Key': reference('NONE') } }), new AbortController().signal)
    expect(outcome).toEqual({
      kind: 'unmade',
      result: {
        status: 'failed',
        error_class: 'internal',
        error: `Cannot hit ${target.url('/x')}: its request refers to ${reference('NONE')}, and this worker has no such secret: set HIT_SECRET_NONE in the worker's environment and restart it, or correct the name in data.request`,
      },
    })
    expect(target.connections).toBe(0)
  })

  test('that no header can carry fail the hit without a request, and are not shown', async () => {
    await using target = await answering()
    await using executor = testExecutor({ secrets })
    const outcome = await executor.execute(jobFor(target.url(), { headers: { 'X-Key': reference('LINES') } }), new AbortController().signal)
    expect(outcome).toMatchObject({
      kind: 'unmade',
      result: { error_class: 'internal', error: expect.stringContaining('in its header X-Key holds a line break') },
    })
    expect(JSON.stringify(outcome)).not.toMatch(/Evil|one/)
    expect(target.connections).toBe(0)
    expect(await hit(executor, target.url(), { method: 'POST', body: reference('LINES') })).toMatchObject({ status: 'completed' })
    expect(target.requests[0]?.body).toBe('one\r\nX-Evil: 1')
  })

  test('of a worker without any are as unknown as others', async () => {
    await using executor = testExecutor()
    expect(await hit(executor, 'http://127.0.0.1:1/', { body: reference('API_KEY'), method: 'POST' })).toMatchObject({ error_class: 'internal' })
  })
})

describe('after a redirect to another origin', () => {
  const redirecting = async (status: number) => {
    const other = await answering()
    const target = await RawTarget.open((socket) => socket.write(plainAnswer(status, '', { Location: other.url('/end') })))
    return { other, target }
  }

  test('secrets stay behind in a header of any name', async () => {
    const { other, target } = await redirecting(307)
    await using _other = other
    await using _target = target
    await using executor = testExecutor({ secrets })
    await hit(executor, target.url(), { headers: { 'User-Agent': `me ${reference('API_KEY')}`, Accept: 'text/plain' } })
    expect(target.requests[0]?.headers).toMatchObject({ 'user-agent': 'me k-1' })
    expect(other.requests[0]?.headers).toMatchObject({ accept: 'text/plain' })
    expect(other.requests[0]?.headers).not.toHaveProperty('user-agent')
  })

  test('a body that holds one is not sent there: the hit is refused', async () => {
    const { other, target } = await redirecting(307)
    await using _other = other
    await using _target = target
    await using executor = testExecutor({ secrets })
    const result = await hit(executor, target.url(), { method: 'POST', body: reference('API_KEY') })
    expect(result).toMatchObject({ status: 'failed', error_class: 'blocked_address', error: expect.stringContaining('since it holds a secret') })
    expect(other.connections).toBe(0)
  })

  test('a GET without the body goes on', async () => {
    const { other, target } = await redirecting(303)
    await using _other = other
    await using _target = target
    await using executor = testExecutor({ secrets })
    expect(await hit(executor, target.url(), { method: 'POST', body: reference('API_KEY') })).toMatchObject({ status: 'completed' })
    expect(other.requests[0]).toMatchObject({ method: 'GET', body: '' })
  })
})
