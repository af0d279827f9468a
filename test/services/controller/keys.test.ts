import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { AuditPageSchema } from '#lib/contract/audit.ts'
import { AgentSchema } from '#lib/contract/inventory.ts'
import { KeysSchema, type MadeKey, MadeKeySchema, type Permission, type Role, rolePermissions, roles } from '#lib/contract/keys.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { KeyBook } from '#services/controller/keys/key-book.ts'
import { dataOf, errorOf, TestController, type TestRequest } from '#test/_support/controller.ts'
import { readEvents } from '#test/_support/events.ts'
import { operations } from './openapi.ts'

const soon = { timeout: 10_000, interval: 5 }

/** Makes a key. */
async function make(controller: TestController, role: Role, more: { readonly name?: string; readonly expires_at?: string } = {}): Promise<MadeKey> {
  return dataOf(await controller.request('/keys', { body: { name: `a-${role}`, role, ...more } }), 201, MadeKeySchema)
}
const revoke = (controller: TestController, id: string) => controller.request(`/keys/${id}`, { method: 'DELETE' })
const host = (name: string) => ({ hostname: name, ip_address: '10.0.0.7', port: 8081 })
const register = (controller: TestController, key: string, name: string) => controller.request('/register', { key, body: host(name) })

/** What each operation needs; null: no key at all. */
const needs: Readonly<Record<string, Permission | null>> = {
  'get /health': null,
  'get /ready': null,
  'get /metrics': null,
  'post /register': 'register',
  'post /agents/reports': 'batch',
  'post /agents/{id}/report': 'register',
  'get /agents': 'fleet',
  'get /agents/{id}': 'fleet',
  'delete /agents/{id}': 'admin',
  'get /status': 'fleet',
  'get /status/timeline': 'fleet',
  'get /status/relays': 'fleet',
  'get /agents/{id}/history': 'fleet',
  'get /config/stream': 'read',
  'get /config': 'read',
  'get /config/{version}': 'read',
  'post /config': 'publish',
  'post /config/rollback': 'publish',
  'get /configs': 'publish',
  'get /configs/diff': 'publish',
  'get /config/schema': 'publish',
  'put /config/schema': 'admin',
  'delete /config/schema': 'admin',
  'get /audit': 'admin',
  'get /backup': 'admin',
  'post /keys': 'admin',
  'get /keys': 'admin',
  'delete /keys/{id}': 'admin',
}

describe('roles', () => {
  it('may what the table says and nothing else, on every route', async () => {
    await using controller = await TestController.open()
    const names = operations(controller.app).map(({ name }) => name)
    expect(names.sort()).toEqual(Object.keys(needs).sort())
    for (const role of roles) {
      const { key } = await make(controller, role)
      for (const [operation, permission] of Object.entries(needs)) {
        const [method = '', path = ''] = operation.split(' ')
        // Nothing in it: who may is told what is wrong with it, and who may not, that.
        const request: TestRequest = { method: method.toUpperCase(), key, ...(method === 'get' || method === 'delete' ? {} : { body: '{' }) }
        const answer = await controller.request(path.replaceAll(/\{\w+\}/g, '7'), request)
        const refused = answer.status === 403
        if (refused) await errorOf(answer, 403, 'NOT_PERMITTED')
        else await answer.body?.cancel()
        expect([role, operation, refused]).toEqual([role, operation, permission !== null && !rolePermissions[role].has(permission)])
      }
    }
  })
})

describe('a key', () => {
  it('is shown once, and is nowhere else: not in lists, the audit, the log or the database', async () => {
    const lines: string[] = []
    const note = (_part: string, message: string, fields?: object) => void lines.push(message + JSON.stringify(fields))
    const logger = { debug: note, info: note, warn: note, error: note, debugEnabled: true }
    await using controller = await TestController.open({ overrides: { logger } })
    const made = await make(controller, 'agent')
    expect(made.key).toMatch(/^dcm_[\w-]{43}$/)
    await register(controller, made.key, 'web-01')
    const list = await dataOf(await controller.request('/keys'), 200, KeysSchema)
    expect(list.keys).toMatchObject([{ id: made.id, name: 'a-agent', role: 'agent', prefix: made.key.slice(0, 10), last_used_at: expect.any(String) }])
    const audit = await dataOf(await controller.request('/audit'), 200, AuditPageSchema)
    expect(audit.entries[0]).toMatchObject({ action: 'key_made', subject: `${made.id} (a-agent, agent)` })
    expect(lines.join()).toContain('made a key')
    const files = readdirSync(controller.folder.path).map((name) => readFileSync(controller.folder.file(name), 'latin1'))
    for (const text of [JSON.stringify(list), JSON.stringify(audit), lines.join(), ...files]) expect(text).not.toContain(made.key.slice(10))
    await revoke(controller, made.id)
    expect((await dataOf(await controller.request('/audit'), 200, AuditPageSchema)).entries[0]).toMatchObject({ action: 'key_revoked' })
    expect((await dataOf(await controller.request('/keys'), 200, KeysSchema)).keys).toEqual([])
    await errorOf(await revoke(controller, made.id), 404, 'NOT_FOUND')
  })

  it('is accepted after a restart, with when it was used last, and one that was revoked is not', async () => {
    const controller = await TestController.open()
    const [kept, gone] = [await make(controller, 'agent'), await make(controller, 'publisher')]
    await controller.request('/config', { key: kept.key })
    await revoke(controller, gone.id)
    await controller.deps.keys.close()
    await using store = controller.deps.store
    const again = await KeyBook.open({ store, apiKey: 'own', holding: () => [], onEnded: () => {}, clock: systemClock, logger: controller.deps.logger })
    expect(again.caller(kept.key)).toMatchObject({ id: kept.id, name: 'a-agent', role: 'agent' })
    expect(again.caller(gone.key)).toBeUndefined()
    expect((await store.keys())[0]?.last_used_at).toMatch(/Z$/)
    await again.close()
  })

  it.each(['', ' x', 'x'.repeat(101), 'API_KEY', 'a\nb'])('cannot have the name %j', async (name) => {
    await using controller = await TestController.open()
    await errorOf(await controller.request('/keys', { body: { name, role: 'agent' } }), 400, 'INVALID_REQUEST')
  })
})

describe('a key that is revoked', () => {
  it('is refused at once, and ends the streams and long polls that it opened, and no others', async () => {
    await using controller = await TestController.open()
    const { fetch } = await controller.listen()
    await controller.publish()
    const [mine, other] = [await make(controller, 'agent'), await make(controller, 'agent')]
    const stream = readEvents(await fetch('/config/stream', { key: mine.key }))
    const untouched = await fetch('/config/stream', { key: other.key })
    const polls = ['/config?wait=60', '/config?wait=60&'].map((path) => fetch(path, { key: mine.key, headers: { 'If-None-Match': '"1"' } }))
    await vi.waitFor(() => expect(controller.deps.feed.hub.watchers).toBe(4), soon)
    expect((await revoke(controller, mine.id)).status).toBe(200)
    for await (const _ of stream);
    for (const poll of polls) await errorOf(await poll, 403, 'FORBIDDEN')
    await errorOf(await fetch('/config', { key: mine.key }), 403, 'FORBIDDEN')
    await errorOf(await fetch('/config/stream', { key: mine.key }), 403, 'FORBIDDEN')
    await vi.waitFor(() => expect(controller.deps.feed.hub.watchers).toBe(1), soon)
    expect([...controller.deps.feed.byKey.keys()]).toEqual([other.id])
    await untouched.body?.cancel()
    await vi.waitFor(() => expect([...controller.deps.feed.byKey.keys()]).toEqual([]), soon)
  })

  it('is told to relays by a comment of their stream, and to nobody else', async () => {
    await using controller = await TestController.open()
    const { fetch } = await controller.listen()
    const [relay, agent, gone] = [await make(controller, 'relay'), await make(controller, 'agent'), await make(controller, 'agent')]
    const [relayEvents, agentEvents] = [
      readEvents(await fetch('/config/stream', { key: relay.key })),
      readEvents(await fetch('/config/stream', { key: agent.key })),
    ]
    await vi.waitFor(() => expect(controller.deps.streams.open).toBe(2), soon)
    await revoke(controller, gone.id)
    await controller.publish({ n: 1 })
    const until = async (events: typeof relayEvents) => {
      const comments: string[] = []
      for await (const { comment, event } of events) {
        if (comment !== undefined) comments.push(comment)
        if (event === 'config') return comments
      }
      throw new Error('the stream ended')
    }
    expect(await until(relayEvents)).toEqual([` key-ended ${gone.id}`])
    expect(await until(agentEvents)).toEqual([])
  })
})

describe('a key that expires', () => {
  it('is refused from then on, and its stream ends at that moment', async () => {
    await using controller = await TestController.open()
    const { fetch } = await controller.listen()
    const { key } = await make(controller, 'agent', { expires_at: new Date(Date.now() + 700).toISOString() })
    const answer = await fetch('/config/stream', { key })
    expect(answer.status).toBe(200)
    for await (const _ of readEvents(answer));
    await errorOf(await fetch('/config', { key }), 403, 'FORBIDDEN')
  })

  it('may do so far beyond what a timer can wait', async () => {
    await using controller = await TestController.open()
    const { key } = await make(controller, 'agent', { expires_at: new Date(Date.now() + 100 * 86_400_000).toISOString() })
    expect((await controller.request('/config/1', { key })).status).toBe(404)
  })
})

describe('an agent', () => {
  it('belongs to the name of the keys that registered it', async () => {
    await using controller = await TestController.open()
    const mine = await make(controller, 'agent', { name: 'web-01' })
    const rotated = await make(controller, 'agent', { name: 'web-01' })
    const other = await make(controller, 'agent', { name: 'web-02' })
    const { agent_id: id } = await dataOf(await register(controller, mine.key, 'web-01'), 201, RegisterResponseSchema)
    const report = { body: { version: 1, state: 'applied' } }
    const before = await errorOf(await register(controller, other.key, 'web-01'), 403, 'NOT_PERMITTED')
    expect(before.error.message).not.toContain('web-01"')
    await errorOf(await controller.request(`/agents/${id}/report`, { ...report, key: other.key }), 403, 'NOT_PERMITTED')
    expect((await controller.request(`/agents/${id}/report`, { ...report, key: rotated.key })).status).toBe(200)
    expect((await controller.request(`/agents/${id}/report`, report)).status).toBe(200)

    // Another's reads say nothing of it; its own do.
    const held = async () => (await dataOf(await controller.request(`/agents/${id}`), 200, AgentSchema)).held_version
    await controller.publish()
    const read = { headers: { 'X-Agent-Id': id, 'If-None-Match': '"9"' } }
    await controller.request('/config', { ...read, key: other.key })
    expect(await held()).toBe(1)
    await controller.request('/config', { ...read, key: mine.key })
    expect(await held()).toBe(9)

    const poll = (key: string) => controller.request('/config?wait=1', { headers: { 'X-Agent-Id': id, 'If-None-Match': '"1"' }, key })
    await poll(other.key)
    expect(await held()).toBe(9)
    await poll(mine.key)
    expect(await held()).toBe(1)

    // Whose keys are all gone has no agents any more.
    for (const { id: keyId } of [mine, rotated]) await revoke(controller, keyId)
    expect((await register(controller, other.key, 'web-01')).status).toBe(201)
    const third = await make(controller, 'agent', { name: 'web-03' })
    await errorOf(await register(controller, third.key, 'web-01'), 403, 'NOT_PERMITTED')
  })

  it('that was registered with the controller’s own key is taken over by the first key of its own, and that lasts', async () => {
    const controller = await TestController.open()
    await controller.request('/register', { body: host('web-01') })
    const [first, second] = [await make(controller, 'agent', { name: 'one' }), await make(controller, 'agent', { name: 'two' })]
    expect((await register(controller, first.key, 'web-01')).status).toBe(201)
    await errorOf(await register(controller, second.key, 'web-01'), 403, 'NOT_PERMITTED')
    // An admin may register it too, and takes it from nobody.
    expect((await controller.request('/register', { body: host('web-01') })).status).toBe(201)
    await controller.deps.fleet.close()
    await controller.deps.store[Symbol.asyncDispose]()
    await using store = openSqliteStore({ path: controller.folder.file('controller.db'), migrations: migrationsFolder(), clock: systemClock })
    expect((await store.agents()).map(({ agent }) => agent.owner)).toEqual(['one'])
  })
})

describe('who tries keys', () => {
  it('is slowed down by address, whatever the key; keys that were used from there go on', async () => {
    let now = 1000
    await using controller = await TestController.open({ overrides: { clock: { ...systemClock, monotonic: () => now } } })
    const { fetch } = await controller.listen()
    await controller.publish()
    const [known, fresh] = [await make(controller, 'agent'), await make(controller, 'agent')]
    expect((await fetch('/config', { key: known.key })).status).toBe(200)
    for (let i = 0; i < 10; i++) await errorOf(await fetch('/config', { key: `guess-${i}` }), 403, 'FORBIDDEN')
    const refused = await fetch('/config', { key: 'guess' })
    expect(refused.headers.get('Retry-After')).toBe('6')
    await errorOf(refused, 429, 'TOO_MANY_ATTEMPTS')
    // Right and new here: it is told no more than a wrong one.
    await errorOf(await fetch('/config', { key: fresh.key }), 429, 'TOO_MANY_ATTEMPTS')
    expect((await fetch('/config', { key: known.key })).status).toBe(200)
    await errorOf(await fetch('/config', { key: null }), 401, 'UNAUTHORIZED')
    now += 6000
    expect((await fetch('/config', { key: fresh.key })).status).toBe(200)
    await errorOf(await fetch('/config', { key: 'guess' }), 403, 'FORBIDDEN')
    await errorOf(await fetch('/config', { key: 'another guess' }), 429, 'TOO_MANY_ATTEMPTS')
    // The same again tells nobody anything, so it is not counted: a host that goes on with an old key keeps no other out.
    await errorOf(await fetch('/config', { key: 'guess' }), 403, 'FORBIDDEN')
  })

  it('is known by the address that a trusted proxy tells, and by no other', async () => {
    await using controller = await TestController.open({ env: { TRUSTED_PROXIES: '127.0.0.1' } })
    const { fetch } = await controller.listen()
    const from = (address: string, key: string) => fetch('/config', { key, headers: { 'X-Forwarded-For': address } })
    for (let i = 0; i < 10; i++) await from('10.1.1.1', `guess-${i}`)
    expect((await from('10.1.1.1', 'guess')).status).toBe(429)
    // What stands to the left is what the client itself made up.
    expect((await from('10.9.9.9, 10.1.1.1', 'guess')).status).toBe(429)
    expect((await from('10.2.2.2', 'guess')).status).toBe(403)
  })
})
