import { describe, expect, it } from 'vitest'
import { clientOf } from '#lib/http/address.ts'
import { createApp } from '#lib/http/app.ts'
import { apiKeyAuth } from '#lib/http/auth.ts'
import type { Caller } from '#lib/http/caller.ts'
import { WrongKeys } from '#lib/http/wrong-keys.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { holderOf } from '#test/_support/callers.ts'
import { errorOf } from '#test/_support/controller.ts'

/** Keys are the names of their holders; `wrong-…` is nobody's. */
const caller = (key: string): Caller | undefined => (key.startsWith('wrong') ? undefined : holderOf(key, key.startsWith('relay') ? 'relay' : 'agent'))

/** An app behind keys, called from addresses of the test's own. */
function guarded(lines: string[] = []) {
  const clock = { now: 0, monotonic: () => clock.now }
  const holders = new Map<string, Caller | undefined>()
  const callerOnce = (key: string) => {
    if (!holders.has(key)) holders.set(key, caller(key))
    return holders.get(key)
  }
  const logger = { ...silentLogger, warn: (_part: string, message: string, fields?: object) => void lines.push(message + JSON.stringify(fields)) }
  const wrongKeys = new WrongKeys({ address: ({ headers }) => String(headers['x-test-address'] ?? 'here'), clock, logger })
  const app = createApp({ logger: silentLogger })
  app.use(apiKeyAuth({ keys: { caller: callerOnce }, open: [], wrongKeys }))
  app.get('/', (c) => c.text('in'))
  const ask = async (key: string | null, address = 'here', headers: Record<string, string> = {}) => {
    const incoming = { socket: {}, headers: { 'x-test-address': address } }
    return app.request('/', { headers: { ...(key === null ? {} : { 'X-API-Key': key }), ...headers } }, { incoming })
  }
  const status = async (...of: Parameters<typeof ask>) => (await ask(...of)).status
  return { clock, ask, status, wrongKeys }
}

describe('wrong keys from one address', () => {
  it('are looked at ten at once, then one in six seconds; what is refused names the time', async () => {
    const { clock, ask, status } = guarded()
    for (let n = 0; n < 10; n++) expect(await status(`wrong-${n}`)).toBe(403)
    const refused = await ask('wrong-10')
    expect(refused.headers.get('Retry-After')).toBe('6')
    await errorOf(refused, 429, 'TOO_MANY_ATTEMPTS')
    clock.now += 5999
    expect(await status('wrong-10')).toBe(429)
    clock.now += 1
    expect([await status('wrong-10'), await status('wrong-11')]).toEqual([403, 429])
    // However long it is quiet: ten, and no more.
    clock.now += 3_600_000
    const statuses = []
    for (let n = 20; n < 32; n++) statuses.push(await status(`wrong-${n}`))
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 403), 429, 429])
  })

  it('keep other keys out, right or wrong, but none that were used from there before', async () => {
    const { status } = guarded()
    expect([await status('fleet-1'), await status('fleet-2')]).toEqual([200, 200])
    for (let n = 0; n < 10; n++) await status(`wrong-${n}`)
    expect([await status('new'), await status('wrong-x')]).toEqual([429, 429])
    for (let round = 0; round < 3; round++) expect([await status('fleet-1'), await status('fleet-2')]).toEqual([200, 200])
    // Elsewhere nobody is kept out; and no key at all is no attempt.
    expect([await status('new', 'elsewhere'), await status('wrong-x', 'elsewhere'), await status(null)]).toEqual([200, 403, 401])
  })

  it('count once each: a host that goes on with a key that was revoked keeps no other out', async () => {
    const { status } = guarded()
    for (let n = 0; n < 100; n++) expect(await status('wrong-old')).toBe(403)
    expect(await status('new')).toBe(200)
    for (let n = 0; n < 9; n++) await status(`wrong-${n}`)
    expect([await status('wrong-old'), await status('wrong-9'), await status('another')]).toEqual([403, 429, 429])
  })

  it('are said in the log, by address, now and then, and without a key', async () => {
    const lines: string[] = []
    const { clock, status } = guarded(lines)
    for (let n = 0; n < 50; n++) await status(`wrong-${n}`)
    expect(lines).toEqual([expect.stringMatching(/too many wrong keys.*"address":"here"/)])
    expect(lines.join()).not.toContain('wrong-')
    clock.now += 10_000
    for (let n = 50; n < 60; n++) await status(`wrong-${n}`)
    expect(lines).toHaveLength(2)
  })

  it('cost bounded memory, from however many addresses', async () => {
    const { status, wrongKeys } = guarded()
    for (let n = 0; n < 10; n++) await status(`wrong-${n}`, 'first')
    expect(await status('new', 'first')).toBe(429)
    const from = (address: string) => Object.assign(Object.create(null), { socket: {}, headers: { 'x-test-address': address } })
    for (let n = 0; n < 4096; n++) wrongKeys.wrong(from(`10.0.${n >> 8}.${n & 255}`), 'wrong')
    // Of the one that has been quiet longest nothing is left.
    expect(await status('new', 'first')).toBe(200)
  })
})

describe('a relay', () => {
  it('that vouches by a key of its own is not slowed down for those below it', async () => {
    const { status } = guarded()
    const vouched = { 'X-Relay-Key': 'relay-1' }
    for (let n = 0; n < 30; n++) expect(await status(`wrong-${n}`, 'here', vouched)).toBe(403)
    expect(await status('new')).toBe(200)
    for (let n = 0; n < 10; n++) await status(`wrong-${n}`)
    expect([await status('newer', 'here', vouched), await status('newest')]).toEqual([200, 429])
  })

  it.each(['wrong-relay', 'agent-1'])('is none that vouches by %s', async (key) => {
    const { status } = guarded()
    for (let n = 0; n < 10; n++) await status(`wrong-${n}`, 'here', { 'X-Relay-Key': key })
    expect(await status('new', 'here', { 'X-Relay-Key': key })).toBe(429)
  })
})

it('one client is an IPv4 address, or 64 bits of IPv6', () => {
  expect(['10.0.0.1', '::ffff:10.0.0.1', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2:ffff::', '2001:db8:1:3::1', 'unknown'].map(clientOf)).toEqual([
    '10.0.0.1',
    '10.0.0.1',
    '2001:db8:1:2::/64',
    '2001:db8:1:2::/64',
    '2001:db8:1:3::/64',
    'unknown',
  ])
})
