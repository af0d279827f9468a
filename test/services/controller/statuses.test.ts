import { hash } from 'node:crypto'
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { z } from 'zod'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { AuditPageSchema } from '#lib/contract/audit.ts'
import { ConfigSchema } from '#lib/contract/config.ts'
import { SchemaDeletedSchema, StoredSchemaSchema } from '#lib/contract/config-schema.ts'
import type { ErrorCode } from '#lib/contract/errors.ts'
import { BatchAcceptedSchema, ReportAcceptedSchema } from '#lib/contract/fleet.ts'
import { RelayTreeSchema, TimelineSchema } from '#lib/contract/fleet-picture.ts'
import { FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { HealthSchema, ReadySchema } from '#lib/contract/health.ts'
import { DryRunSchema, HistoryPageSchema, VersionDiffSchema } from '#lib/contract/history.ts'
import { AgentDeletedSchema, AgentDetailSchema, AgentHistorySchema, AgentsPageSchema } from '#lib/contract/inventory.ts'
import { KeyRevokedSchema, KeysSchema, MadeKeySchema } from '#lib/contract/keys.ts'
import { ApiError } from '#lib/http/errors.ts'
import { type Store, type StoredKey, StoreUnavailableError } from '#lib/store/port.ts'
import { checkError, dataOf, errorOf, TestController, type TestRequest, tryWrongKeys } from '#test/_support/controller.ts'
import { rawRequest, requestBytes } from '#test/_support/raw-http.ts'
import { operations } from './openapi.ts'

const agent = { hostname: 'web-01', ip_address: '10.0.0.7', port: 8081 }

/** A store that is away: each method rejects as the port says. */
const awayStore: Store = (() => {
  const away = async () => {
    throw new StoreUnavailableError('the database refused: disk is full (SQLITE_FULL)')
  }
  return {
    publish: away,
    publishedWith: away,
    latest: async () => undefined,
    byVersion: away,
    registerAgent: away,
    agents: async () => [
      {
        agent: { agent_id: 'known', ...agent, labels: {}, owner: null, registered_at: '2026-01-02T03:04:05.000Z', updated_at: '2026-01-02T03:04:05.000Z' },
        state: undefined,
      },
    ],
    saveAgentStates: away,
    deleteAgent: away,
    history: away,
    schema: async () => ({ revision: 0, stored: undefined }),
    setSchema: away,
    audit: away,
    keys: async () => [],
    addKey: away,
    revokeKey: away,
    saveKeyUses: away,
    agentReports: away,
    reportsOn: async () => [],
    sessions: async () => [],
    addSession: away,
    endSessions: away,
    backup: away,
    checkWritable: away,
    [Symbol.asyncDispose]: async () => {},
  }
})()

const config = { data: { url: 'https://example.com/ping' } }
const repeat = { body: config, headers: { 'Idempotency-Key': 'once' } }
const other = { body: { data: {} }, headers: repeat.headers }
const back = { body: { version: 1 } }
const schema = { method: 'PUT', body: { type: 'object', required: ['url'] } }
const demandUrl = (controller: TestController) => controller.request('/config/schema?force=true', schema)
const overload = () => {
  throw refused()
}
/** The same store where only the schema cannot be written. */
const awaySchema: Store = { ...awayStore, latest: async () => undefined }
/** Pairs of operation and status that an answer was really seen for; the last test holds them against the document. */
const seen = new Set<string>()

interface Case {
  readonly operation: string
  readonly status: number
  readonly path?: string
  readonly request?: TestRequest
  /** The schema of `data`, or the code of the error, or null where there is no body. */
  readonly body: z.ZodType | ErrorCode | null
  readonly name?: string
  readonly open?: Parameters<typeof TestController.open>[0]
  readonly published?: number
  readonly before?: (controller: TestController) => unknown
}

const keyCases = (operation: string, request: TestRequest): Case[] => [
  { operation, status: 401, request: { ...request, key: null }, body: 'UNAUTHORIZED' },
  { operation, status: 403, request: { ...request, key: 'wrong' }, body: 'FORBIDDEN' },
  { operation, status: 429, request: { ...request, key: 'another' }, before: ({ deps }) => tryWrongKeys(deps.wrongKeys), body: 'TOO_MANY_ATTEMPTS' },
  {
    operation,
    status: 403,
    request: { ...request, headers: { Origin: 'https://evil.example' } },
    open: { env: { API_KEY: '' } },
    body: 'FORBIDDEN_ORIGIN',
    name: 'a page',
  },
]
const bodyCases = (operation: string, limit: number): Case[] => [
  { operation, status: 400, request: { method: 'POST', body: '{"data":' }, body: 'INVALID_REQUEST', name: 'broken JSON' },
  { operation, status: 400, request: { body: [] }, body: 'INVALID_REQUEST', name: 'an array' },
  { operation, status: 400, request: { body: {} }, body: 'INVALID_REQUEST', name: 'nothing in it' },
  { operation, status: 400, request: { body: '{"__proto__":{}}' }, body: 'INVALID_REQUEST', name: '__proto__' },
  { operation, status: 413, request: { body: `{"data":{"x":"${'x'.repeat(limit)}"}}` }, body: 'PAYLOAD_TOO_LARGE' },
  { operation, status: 415, request: { body: '{}', headers: { 'Content-Type': 'text/plain' } }, body: 'UNSUPPORTED_MEDIA_TYPE' },
]

const report = { version: 1, state: 'applied' }
const item = { agent_id: 'nobody', held_version: null, via: null, age_ms: 0 }
/** An operation on the one agent of the store that is away: what is in memory goes on without it. */
const onKnown = (operation: string, tail = '') => ({ operation, path: `/agents/known${tail}`, open: { overrides: { store: awayStore } } })
const known = ({ deps }: TestController) => deps.fleet.register('known', agent, [], null)
const refused = () => new ApiError('OVERLOADED', 'Cannot take the request now', { headers: { 'Retry-After': '1' } })
const overloaded = ({ deps }: TestController) => vi.spyOn(deps.fleet, 'report').mockRejectedValue(refused())

const newKey = { name: 'web-01', role: 'agent' }
const storedKey: StoredKey = {
  id: 'known',
  name: 'web-01',
  role: 'agent',
  prefix: 'dcm_abcdef',
  digest: '0'.repeat(64),
  created_at: '2026-01-02T03:04:05.000Z',
  expires_at: null,
  last_used_at: null,
}
const revoked = async () => ({ seq: 1, hash: '' })
/** A controller with one key. */
const onStoredKey = (revokeKey: Store['revokeKey']) => ({ overrides: { store: { ...awayStore, revokeKey, keys: async () => [storedKey] } } })

const cases: readonly Case[] = [
  { operation: 'get /health', status: 200, request: { key: null }, body: HealthSchema },
  { operation: 'get /ready', status: 200, request: { key: null }, body: ReadySchema },
  { operation: 'get /ready', status: 503, request: { key: null }, open: { overrides: { store: awayStore } }, body: 'NOT_READY' },

  { operation: 'post /register', status: 201, request: { body: agent }, body: RegisterResponseSchema },
  { operation: 'post /register', status: 503, request: { body: agent }, open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
  { operation: 'post /register', status: 409, request: { body: agent, headers: { 'X-Relay-Path': 'r,'.repeat(17) } }, body: 'RELAY_LOOP' },
  ...bodyCases('post /register', 65 * 1024),
  ...keyCases('post /register', { body: agent }),

  { ...onKnown('post /agents/{id}/report', '/report'), status: 200, request: { body: report }, body: ReportAcceptedSchema },
  { operation: 'post /agents/{id}/report', status: 404, path: '/agents/nobody/report', request: { body: report }, body: 'NOT_FOUND' },
  { ...onKnown('post /agents/{id}/report', '/report'), status: 503, request: { body: report }, before: overloaded, body: 'OVERLOADED' },
  ...bodyCases('post /agents/{id}/report', 16 * 1024),
  ...keyCases('post /agents/{id}/report', { body: report }),

  { operation: 'post /agents/reports', status: 200, request: { body: { agents: [item] } }, body: BatchAcceptedSchema },
  {
    operation: 'post /agents/reports',
    status: 503,
    request: { body: { agents: [{ ...item, registration: agent }] } },
    open: { overrides: { store: awayStore } },
    body: 'STORE_UNAVAILABLE',
  },
  {
    operation: 'post /agents/reports',
    status: 400,
    request: { body: { agents: Array.from({ length: 1001 }, () => item) } },
    body: 'INVALID_REQUEST',
    name: 'too many at once',
  },
  ...bodyCases('post /agents/reports', 4 * 1024 * 1024),
  ...keyCases('post /agents/reports', { body: { agents: [] } }),

  { operation: 'get /agents', status: 200, path: '/agents?state=failed&online=true&version=7&label=zone:eu&limit=1000', body: AgentsPageSchema },
  ...['state=x', 'online=1', 'version=x', 'label=zone', 'limit=0', 'limit=1001', 'cursor=x', 'cursor=', `cursor=${'x'.repeat(500)}`].map((query) => ({
    operation: 'get /agents',
    status: 400,
    path: `/agents?${query}`,
    body: 'INVALID_REQUEST' as const,
    name: query.slice(0, 20),
  })),
  { operation: 'get /agents', status: 503, before: ({ deps }) => vi.spyOn(deps.fleet, 'page').mockRejectedValue(refused()), body: 'OVERLOADED' },
  ...keyCases('get /agents', {}),

  { ...onKnown('get /agents/{id}'), status: 200, body: AgentDetailSchema },
  { operation: 'get /agents/{id}', status: 400, path: `/agents/${'x'.repeat(201)}`, body: 'INVALID_REQUEST' },
  { operation: 'get /agents/{id}', status: 404, path: '/agents/nobody', body: 'NOT_FOUND' },
  {
    ...onKnown('get /agents/{id}'),
    status: 503,
    before: ({ deps }) =>
      vi.spyOn(deps.fleet, 'agent').mockImplementation(() => {
        throw refused()
      }),
    body: 'OVERLOADED',
  },
  ...keyCases('get /agents/{id}', {}),

  { operation: 'get /agents/{id}/history', status: 200, path: '/agents/known/history', before: known, body: AgentHistorySchema },
  { operation: 'get /agents/{id}/history', status: 400, path: `/agents/${'x'.repeat(201)}/history`, body: 'INVALID_REQUEST' },
  { operation: 'get /agents/{id}/history', status: 404, path: '/agents/nobody/history', body: 'NOT_FOUND' },
  { operation: 'get /agents/{id}/history', status: 503, path: '/agents/known/history', open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
  ...keyCases('get /agents/{id}/history', {}),

  { ...onKnown('delete /agents/{id}'), status: 200, request: { method: 'DELETE' }, before: known, body: AgentDeletedSchema, open: {} },
  { operation: 'delete /agents/{id}', status: 400, path: `/agents/${'x'.repeat(201)}`, request: { method: 'DELETE' }, body: 'INVALID_REQUEST' },
  { operation: 'delete /agents/{id}', status: 404, path: '/agents/nobody', request: { method: 'DELETE' }, body: 'NOT_FOUND' },
  { ...onKnown('delete /agents/{id}'), status: 503, request: { method: 'DELETE' }, body: 'STORE_UNAVAILABLE' },
  ...keyCases('delete /agents/{id}', { method: 'DELETE' }),

  { operation: 'get /status', status: 200, body: FleetStatusSchema },
  { operation: 'get /status', status: 503, before: ({ deps }) => vi.spyOn(deps.fleet, 'status').mockRejectedValue(refused()), body: 'OVERLOADED' },
  ...keyCases('get /status', {}),

  { operation: 'get /status/timeline', status: 200, body: TimelineSchema },
  {
    operation: 'get /status/timeline',
    status: 503,
    before: ({ deps }) =>
      vi.spyOn(deps.fleet, 'timeline').mockImplementation(() => {
        throw refused()
      }),
    body: 'OVERLOADED',
  },
  ...keyCases('get /status/timeline', {}),
  { operation: 'get /status/relays', status: 200, body: RelayTreeSchema },
  { operation: 'get /status/relays', status: 503, before: ({ deps }) => vi.spyOn(deps.fleet, 'picture').mockRejectedValue(refused()), body: 'OVERLOADED' },
  ...keyCases('get /status/relays', {}),

  { operation: 'post /config', status: 201, request: { body: config }, body: ConfigSchema },
  { operation: 'post /config', status: 412, request: { body: config, headers: { 'If-Match': '"7"' } }, published: 1, body: 'VERSION_CONFLICT' },
  { operation: 'post /config', status: 503, request: { body: config }, open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
  ...bodyCases('post /config', 1024 * 1024),
  ...keyCases('post /config', { body: config }),

  { operation: 'post /config', status: 200, path: '/config?dry_run=true', request: { body: config }, body: DryRunSchema },
  { operation: 'post /config', status: 409, request: repeat, before: (controller) => controller.request('/config', other), body: 'IDEMPOTENCY_KEY_REUSED' },
  { operation: 'post /config', status: 400, request: { body: { data: {} } }, before: demandUrl, body: 'SCHEMA_VIOLATION' },

  ...['post /config/rollback'].flatMap((operation): Case[] => [
    { operation, status: 201, request: back, published: 2, body: ConfigSchema },
    { operation, status: 200, path: '/config/rollback?dry_run=true', request: back, published: 2, body: DryRunSchema },
    { operation, status: 400, request: back, published: 1, before: demandUrl, body: 'SCHEMA_VIOLATION' },
    { operation, status: 404, request: back, body: 'NOT_FOUND' },
    {
      operation,
      status: 409,
      request: { ...back, headers: repeat.headers },
      published: 1,
      before: (c) => c.request('/config', other),
      body: 'IDEMPOTENCY_KEY_REUSED',
    },
    { operation, status: 412, request: { ...back, headers: { 'If-Match': '"7"' } }, published: 1, body: 'VERSION_CONFLICT' },
    { operation, status: 503, request: back, open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
    ...bodyCases(operation, 16 * 1024),
    ...keyCases(operation, back),
  ]),

  { operation: 'get /configs', status: 200, path: '/configs?data=true&limit=1&before=2', published: 2, body: HistoryPageSchema },
  { operation: 'get /configs', status: 400, path: '/configs?data=yes', body: 'INVALID_REQUEST' },
  { operation: 'get /configs', status: 503, open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
  ...keyCases('get /configs', {}),

  { operation: 'get /configs/diff', status: 200, path: '/configs/diff?from=1&to=2', published: 2, body: VersionDiffSchema },
  { operation: 'get /configs/diff', status: 400, path: '/configs/diff?from=a&to=2', body: 'INVALID_VERSION' },
  { operation: 'get /configs/diff', status: 404, path: '/configs/diff?from=1&to=2', published: 1, body: 'NOT_FOUND' },
  { operation: 'get /configs/diff', status: 503, path: '/configs/diff?from=1&to=2', open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
  ...keyCases('get /configs/diff', {}),

  { operation: 'get /config/schema', status: 200, before: demandUrl, body: StoredSchemaSchema },
  { operation: 'get /config/schema', status: 404, body: 'NOT_FOUND' },
  {
    operation: 'get /config/schema',
    status: 503,
    before: ({ deps }) => vi.spyOn(deps.schema, 'stored', 'get').mockImplementation(overload),
    body: 'OVERLOADED',
  },
  ...keyCases('get /config/schema', {}),
  ...['put /config/schema'].flatMap((operation): Case[] => [
    { operation, status: 200, request: schema, body: StoredSchemaSchema },
    { operation, status: 400, request: { ...schema, body: { type: 'objekt' } }, body: 'INVALID_SCHEMA' },
    { operation, status: 400, request: schema, published: 1, body: 'SCHEMA_VIOLATION' },
    { operation, status: 503, request: schema, open: { overrides: { store: awaySchema } }, body: 'STORE_UNAVAILABLE' },
    ...bodyCases(operation, 256 * 1024).flatMap((one) => (one.name === 'nothing in it' ? [] : [{ ...one, request: { ...one.request, method: 'PUT' } }])),
    ...keyCases(operation, schema),
  ]),
  ...['delete /config/schema'].flatMap((operation): Case[] => [
    { operation, status: 200, request: { method: 'DELETE' }, before: demandUrl, body: SchemaDeletedSchema },
    { operation, status: 400, path: `/config/schema?comment=${'x'.repeat(1001)}`, request: { method: 'DELETE' }, body: 'INVALID_REQUEST' },
    { operation, status: 404, request: { method: 'DELETE' }, body: 'NOT_FOUND' },
    {
      operation,
      status: 503,
      request: { method: 'DELETE' },
      before: ({ deps }) => vi.spyOn(deps.schema, 'remove').mockRejectedValue(refused()),
      body: 'OVERLOADED',
    },
    ...keyCases(operation, { method: 'DELETE' }),
  ]),

  { operation: 'get /audit', status: 200, published: 2, body: AuditPageSchema },
  { operation: 'get /audit', status: 400, path: '/audit?limit=0', body: 'INVALID_REQUEST' },
  { operation: 'get /audit', status: 503, open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
  ...keyCases('get /audit', {}),
  { operation: 'get /backup', status: 503, open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
  ...keyCases('get /backup', {}),

  { operation: 'get /config', status: 200, published: 1, body: ConfigSchema },
  { operation: 'get /config', status: 304, published: 1, request: { headers: { 'If-None-Match': '"1"' } }, body: null },
  { operation: 'get /config', status: 400, path: '/config?wait=x', body: 'INVALID_REQUEST' },
  { operation: 'post /keys', status: 201, request: { body: newKey }, body: MadeKeySchema },
  { operation: 'post /keys', status: 400, request: { body: { ...newKey, expires_at: '2020-01-01T00:00:00Z' } }, body: 'INVALID_REQUEST', name: 'the past' },
  ...[{ name: '' }, { name: 'API_KEY' }, { name: 'x'.repeat(101) }, { role: 'root' }, { expires_at: 'tomorrow' }].map((part) => ({
    operation: 'post /keys',
    status: 400,
    request: { body: { ...newKey, ...part } },
    body: 'INVALID_REQUEST' as const,
    name: JSON.stringify(part).slice(0, 30),
  })),
  { operation: 'post /keys', status: 503, request: { body: newKey }, open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
  ...bodyCases('post /keys', 17 * 1024),
  ...keyCases('post /keys', { body: newKey }),

  { operation: 'get /keys', status: 200, body: KeysSchema },
  {
    operation: 'get /keys',
    status: 503,
    before: ({ deps }) =>
      vi.spyOn(deps.keys, 'list').mockImplementation(() => {
        throw refused()
      }),
    body: 'OVERLOADED',
  },
  ...keyCases('get /keys', {}),

  { operation: 'delete /keys/{id}', status: 200, path: '/keys/known', request: { method: 'DELETE' }, open: onStoredKey(revoked), body: KeyRevokedSchema },
  { operation: 'delete /keys/{id}', status: 400, path: `/keys/${'x'.repeat(201)}`, request: { method: 'DELETE' }, body: 'INVALID_REQUEST' },
  ...['nobody', 'bootstrap'].map((id) => ({
    operation: 'delete /keys/{id}',
    status: 404,
    path: `/keys/${id}`,
    request: { method: 'DELETE' },
    body: 'NOT_FOUND' as const,
    name: id,
  })),
  {
    operation: 'delete /keys/{id}',
    status: 503,
    path: '/keys/known',
    request: { method: 'DELETE' },
    open: onStoredKey(awayStore.revokeKey),
    body: 'STORE_UNAVAILABLE',
  },
  ...keyCases('delete /keys/{id}', { method: 'DELETE' }),

  { operation: 'get /config', status: 404, body: 'NOT_FOUND' },
  { operation: 'get /config', status: 503, path: '/config?wait=60', before: ({ deps }) => deps.feed.hub.close(), body: 'NOT_READY' },
  ...keyCases('get /config', {}),
  // With a config to read there is a shorter way to it, which asks for the key by itself.
  ...keyCases('get /config', {}).flatMap((one) => (one.open ? [] : [{ ...one, published: 1, name: 'a read of what is there' }])),

  { operation: 'get /config/stream', status: 503, before: ({ deps }) => deps.feed.hub.close(), body: 'NOT_READY' },
  ...keyCases('get /config/stream', {}),

  { operation: 'get /config/{version}', status: 200, path: '/config/1', published: 2, body: ConfigSchema },
  { operation: 'get /config/{version}', status: 400, path: '/config/latest', body: 'INVALID_VERSION' },
  { operation: 'get /config/{version}', status: 404, path: '/config/2', published: 1, body: 'NOT_FOUND' },
  { operation: 'get /config/{version}', status: 503, path: '/config/1', open: { overrides: { store: awayStore } }, body: 'STORE_UNAVAILABLE' },
  ...keyCases('get /config/{version}', {}).map((one) => ({ ...one, path: '/config/1' })),
]

describe('the controller answers', () => {
  it.each(cases.map((one) => ({ ...one, title: `${one.operation}: ${one.status}${one.name ? ` to ${one.name}` : ''}` })))(
    '$title',
    async ({ operation, status, path, request, body, open, published = 0, before }) => {
      await using controller = await TestController.open(open)
      for (let i = 0; i < published; i++) await controller.publish({ i })
      await before?.(controller)
      const held = controller.deps.feed.current?.version ?? 0
      const response = await controller.request(path ?? operation.split(' ')[1] ?? '', request)
      if (status === 503 || status === 429) expect(response.headers.get('Retry-After')).toMatch(/^\d+$/)
      if (typeof body === 'string') await errorOf(response, status, body)
      else if (body) await dataOf(response, status, body)
      else expect([response.status, await response.text()]).toEqual([status, ''])
      // Whatever was refused has changed nothing.
      expect(controller.deps.feed.current?.version ?? 0).toBe(operation.startsWith('post /config') && status === 201 ? held + 1 : held)
      seen.add(`${operation} ${response.status}`)
    },
  )

  it.each(['post /register', 'post /config', 'post /config/rollback', 'put /config/schema', 'post /agents/reports', 'post /agents/{id}/report', 'post /keys'])(
    '%s: 408 to a body that stops',
    async (operation) => {
      await using controller = await TestController.open()
      const { port } = await controller.listen({ headers_ms: 100, request_ms: 200 })
      const [method = '', path = ''] = operation.split(' ')
      const answer = await rawRequest(
        port,
        requestBytes(method.toUpperCase(), path, { headers: { 'X-API-Key': 'a-key-of-its-own', 'Content-Length': '100' }, body: '{"data":' }),
      )
      if (!answer) throw new Error('closed without an answer')
      checkError(answer, 'REQUEST_TIMEOUT')
      seen.add(`${operation} ${answer.status}`)
    },
  )

  it('get /config/stream: 200', async () => {
    await using controller = await TestController.open()
    const answer = await controller.request('/config/stream')
    expect([answer.status, answer.headers.get('Content-Type')]).toEqual([200, 'text/event-stream'])
    await answer.body?.cancel()
    seen.add(`get /config/stream ${answer.status}`)
  })

  it('get /metrics: 200', async () => {
    await using controller = await TestController.open()
    const answer = await controller.request('/metrics', { key: null })
    expect([answer.status, answer.headers.get('Content-Type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
    seen.add(`get /metrics ${answer.status}`)
  })

  it('get /backup: 200', async () => {
    await using controller = await TestController.open()
    const answer = await controller.request('/backup')
    const bytes = new Uint8Array(await answer.arrayBuffer())
    expect([answer.status, answer.headers.get('Content-Type'), answer.headers.get('Content-Length')]).toEqual([
      200,
      'application/vnd.sqlite3',
      String(bytes.byteLength),
    ])
    expect(answer.headers.get('Repr-Digest')).toBe(`sha-256=:${hash('sha256', bytes, 'base64')}:`)
    seen.add(`get /backup ${answer.status}`)
  })

  it('500 to what nobody foresaw, with nothing of the inside', async () => {
    const broken: Store = {
      ...awayStore,
      publish: () => {
        throw new TypeError('the secret inside')
      },
    }
    await using controller = await TestController.open({ overrides: { store: broken } })
    expect(JSON.stringify(await errorOf(await controller.request('/config', { body: config }), 500, 'INTERNAL'))).not.toContain('secret')
    expect(new ApiError('INTERNAL', '').status).toBe(500)
  })

  afterAll(async () => {
    await using controller = await TestController.open()
    const documented = operations(controller.app).flatMap(({ name, statuses }) => statuses.map((status) => `${name} ${status}`))
    // Both ways: what is documented was seen, and what was seen is documented.
    expect([...seen].sort()).toEqual(documented.sort())
  })
})
