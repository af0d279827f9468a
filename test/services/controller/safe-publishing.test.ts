import { describe, expect, it, vi } from 'vitest'
import { AuditPageSchema } from '#lib/contract/audit.ts'
import { ConfigSchema } from '#lib/contract/config.ts'
import { StoredSchemaSchema } from '#lib/contract/config-schema.ts'
import type { ErrorCode } from '#lib/contract/errors.ts'
import { DryRunSchema, HistoryPageSchema, VersionDiffSchema } from '#lib/contract/history.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { ConfigSchema as SchemaGate } from '#services/controller/config-schema.ts'
import { someone } from '#test/_support/actor.ts'
import { TestChecker } from '#test/_support/checker.ts'
import { dataOf, errorOf, TestController, type TestRequest } from '#test/_support/controller.ts'

const publish = (controller: TestController, data: object, headers: Readonly<Record<string, string>> = {}) =>
  controller.request('/config', { body: { data }, headers })
const withKey = (key: string) => ({ 'Idempotency-Key': key })
const history = async (controller: TestController, query = '') => (await dataOf(await controller.request(`/configs${query}`), 200, HistoryPageSchema)).configs
const audit = async (controller: TestController, query = '') => dataOf(await controller.request(`/audit${query}`), 200, AuditPageSchema)
const put = (schema: object): TestRequest => ({ method: 'PUT', body: schema })

describe('If-Match', () => {
  it('lets one of a hundred through that began from the same version, and tells the others the latest', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => publish(controller, { i }, { 'If-Match': '"1"' })))
    const statuses = answers.map(({ status }) => status)
    expect([statuses.filter((status) => status === 201).length, statuses.filter((status) => status === 412).length]).toEqual([1, 99])
    const refused = answers.find(({ status }) => status === 412)
    if (!refused) throw new Error('none was refused')
    const { error } = await errorOf(refused, 412, 'VERSION_CONFLICT')
    expect(error.details).toEqual([{ path: 'latest_version', message: '2' }])
    expect((await history(controller)).map(({ version }) => version)).toEqual([2, 1])
  })
})

describe('Idempotency-Key', () => {
  it('gives the first answer again, whatever If-Match and the schema say by now, and announces nothing', async () => {
    await using controller = await TestController.open()
    const first = await publish(controller, { a: 1 }, { ...withKey('k'), 'If-Match': '"0"' })
    const config = await dataOf(first, 201, ConfigSchema)
    await controller.publish({ a: 2 })
    await dataOf(await controller.request('/config/schema?force=true', put({ required: ['b'] })), 200, StoredSchemaSchema)
    const again = await publish(controller, { a: 1 }, { ...withKey('k'), 'If-Match': '"0"' })
    expect([again.headers.get('Idempotency-Replayed'), again.headers.get('ETag')]).toEqual(['true', '"1"'])
    expect(await dataOf(again, 201, ConfigSchema)).toEqual(config)
    expect(controller.deps.feed.current?.version).toBe(2)
    expect((await audit(controller)).entries.map(({ action }) => action)).toEqual(['schema_set', 'publish', 'publish'])
  })

  it('makes one version of a hundred repeats at once', async () => {
    await using controller = await TestController.open()
    const answers = await Promise.all(Array.from({ length: 100 }, () => publish(controller, { a: 1 }, withKey('k'))))
    for (const answer of answers) expect((await dataOf(answer, 201, ConfigSchema)).version).toBe(1)
    expect(answers.filter(({ headers }) => headers.get('Idempotency-Replayed') === null)).toHaveLength(1)
    expect(await history(controller)).toHaveLength(1)
  })

  it.each<[string, object]>([
    ['other data', { data: { a: 2 } }],
    ['another interval', { data: { a: 1 }, poll_interval_seconds: 60 }],
    ['another comment', { data: { a: 1 }, comment: 'x' }],
  ])('is refused with %s, and nothing is published', async (_name, body) => {
    await using controller = await TestController.open()
    await publish(controller, { a: 1 }, withKey('k'))
    const { error } = await errorOf(await controller.request('/config', { body, headers: withKey('k') }), 409, 'IDEMPOTENCY_KEY_REUSED')
    expect(error.message).toContain('version 1')
    expect(await history(controller)).toHaveLength(1)
  })

  it('of another API key is another, and each gets its own answer', async () => {
    await using controller = await TestController.open()
    const keys = { one: await controller.makeKey({ name: 'one', role: 'publisher' }), two: await controller.makeKey({ name: 'two', role: 'publisher' }) }
    const send = (name: 'one' | 'two', n: number) => controller.request('/config', { key: keys[name].key, body: { data: { n } }, headers: withKey('k') })
    const versions = []
    for (const [key, n] of [
      ['one', 1],
      ['two', 2],
      ['one', 1],
      ['two', 2],
    ] as const)
      versions.push((await dataOf(await send(key, n), 201, ConfigSchema)).version)
    expect(versions).toEqual([1, 2, 1, 2])
    await errorOf(await send('two', 1), 409, 'IDEMPOTENCY_KEY_REUSED')
  })

  it('gives the first answer again after a restart', async () => {
    await using controller = await TestController.open()
    const config = await dataOf(await publish(controller, { a: 1 }, withKey('k')), 201, ConfigSchema)
    await controller.deps.fleet.close()
    await controller.deps.store[Symbol.asyncDispose]()
    await using store = openSqliteStore({ path: controller.folder.file('controller.db'), migrations: migrationsFolder(), clock: systemClock })
    await using again = await TestController.open({ overrides: { store } })
    const answer = await publish(again, { a: 1 }, withKey('k'))
    expect([answer.headers.get('Idempotency-Replayed'), await dataOf(answer, 201, ConfigSchema)]).toEqual(['true', config])
    await errorOf(await publish(again, { a: 2 }, withKey('k')), 409, 'IDEMPOTENCY_KEY_REUSED')
  })

  it('gives the first answer again where nothing can be checked by the schema any more', async () => {
    await using controller = await TestController.open()
    const config = await dataOf(await publish(controller, { a: 1 }, withKey('k')), 201, ConfigSchema)
    await dataOf(await controller.request('/config/schema', put({ type: 'object' })), 200, StoredSchemaSchema)
    await controller.deps.schema.close()
    await errorOf(await publish(controller, { a: 1 }), 503, 'NOT_READY')
    expect(await dataOf(await publish(controller, { a: 1 }, withKey('k')), 201, ConfigSchema)).toEqual(config)
  })

  it('holds for a rollback: a publish of the same content with it is another request', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 1 })
    const back = (headers = withKey('k')) => controller.request('/config/rollback', { body: { version: 1 }, headers })
    expect((await dataOf(await back(), 201, ConfigSchema)).version).toBe(2)
    const again = await back()
    expect([again.headers.get('Idempotency-Replayed'), (await dataOf(again, 201, ConfigSchema)).version]).toEqual(['true', 2])
    await errorOf(await publish(controller, { n: 1 }, withKey('k')), 409, 'IDEMPOTENCY_KEY_REUSED')
    expect(await history(controller)).toHaveLength(2)
  })

  it('means the same however the same JSON is written', async () => {
    await using controller = await TestController.open()
    const send = (body: string) => controller.request('/config', { body, headers: withKey('k') })
    await send('{"data":{"a":1,"b":2}}')
    expect((await dataOf(await send('{ "data": { "b": 2, "a": 1.0 } }'), 201, ConfigSchema)).version).toBe(1)
  })

  it.each(['', 'with space', 'x'.repeat(256), 'ä'])('is refused where it is %j', async (key) => {
    await using controller = await TestController.open()
    const answer = await publish(controller, { a: 1 }, withKey(key))
    if (key === '') await errorOf(answer, 400, 'INVALID_REQUEST')
    else expect((await errorOf(answer, 400, 'INVALID_REQUEST')).error.details?.[0]?.path).toBe('header.idempotency-key')
    expect(await history(controller)).toHaveLength(0)
  })

  it('is forgotten after a day, and not a moment sooner', async () => {
    let now = Date.parse('2026-01-01T00:00:00Z')
    await using controller = await TestController.open({ overrides: { clock: { ...systemClock, now: () => now } } })
    await publish(controller, { a: 1 }, withKey('k'))
    now += 86_399_999
    expect((await dataOf(await publish(controller, { a: 1 }, withKey('k')), 201, ConfigSchema)).version).toBe(1)
    now += 1
    expect((await dataOf(await publish(controller, { a: 1 }, withKey('k')), 201, ConfigSchema)).version).toBe(2)
  })
})

describe('rollback', () => {
  it('publishes the content of an older version as a new one, and says whose it was', async () => {
    await using controller = await TestController.open()
    await controller.request('/config', { body: { data: { n: 1 }, poll_interval_seconds: 7 } })
    await controller.publish({ n: 2 })
    const answer = await controller.request('/config/rollback', { body: { version: 1, comment: 'back' } })
    expect(await dataOf(answer, 201, ConfigSchema)).toMatchObject({ version: 3, data: { n: 1 }, poll_interval_seconds: 7 })
    expect(controller.deps.feed.current?.config).toMatchObject({ version: 3, data: { n: 1 } })
    expect((await history(controller))[0]).toMatchObject({ version: 3, rollback_of: 1, comment: 'back', published_by: 'API_KEY' })
    expect((await audit(controller)).entries[0]).toMatchObject({
      action: 'rollback',
      subject: 'version 1',
      version_before: 2,
      version_after: 3,
      comment: 'back',
    })
  })

  it.each<[string, object, number, string]>([
    ['a url that is refused today', { url: 'ftp://x' }, 30, 'data.url'],
    ['an interval that is refused today', { url: 'http://x/' }, 100_000, 'poll_interval_seconds'],
    ['nesting that is refused today', { a: Array.from({ length: 70 }).reduce<object>((inner) => [inner], {}) }, 30, `data.a${'[0]'.repeat(62)}`],
  ])('does not bring back what an older release took: %s', async (_name, data, poll_interval_seconds, path) => {
    await using controller = await TestController.open()
    await controller.deps.store.publish({ data: { ...data }, poll_interval_seconds }, someone)
    for (const query of ['', '?dry_run=true']) {
      const { error } = await errorOf(await controller.request(`/config/rollback${query}`, { body: { version: 1 } }), 400, 'INVALID_REQUEST')
      expect(error.details?.map((detail) => detail.path)).toEqual([path])
      expect(error.message).toMatch(/^Cannot roll back: version 1 could not be published any more: .*publish a corrected config instead$/)
    }
    expect(await history(controller)).toHaveLength(1)
  })

  it('goes by If-Match as a publish does, and is 404 for a version that is not there', async () => {
    await using controller = await TestController.open()
    for (const n of [1, 2]) await controller.publish({ n })
    const back = (version: number, match: string) => controller.request('/config/rollback', { body: { version }, headers: { 'If-Match': match } })
    expect((await errorOf(await back(1, '"1"'), 412, 'VERSION_CONFLICT')).error.details).toEqual([{ path: 'latest_version', message: '2' }])
    expect((await errorOf(await back(3, '"2"'), 404, 'NOT_FOUND')).message).toBe('config version not found')
    expect((await dataOf(await back(1, '"2"'), 201, ConfigSchema)).version).toBe(3)
  })

  it('can be tried', async () => {
    await using controller = await TestController.open()
    for (const n of [1, 2]) await controller.publish({ n })
    const tried = await dataOf(await controller.request('/config/rollback?dry_run=true', { body: { version: 1 } }), 200, DryRunSchema)
    expect([tried.would_publish, tried.diff.text]).toEqual([{ version: 3, data: { n: 1 }, poll_interval_seconds: 30 }, '~ data.n: 2 -> 1'])
    expect(await history(controller)).toHaveLength(2)
  })

  it('has to meet the schema', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 'x' })
    await controller.publish({ n: 1 })
    await dataOf(await controller.request('/config/schema', put({ properties: { n: { type: 'number' } } })), 200, StoredSchemaSchema)
    const { error } = await errorOf(await controller.request('/config/rollback', { body: { version: 1 } }), 400, 'SCHEMA_VIOLATION')
    expect(error.details).toEqual([{ path: 'data.n', message: 'must be number, got "x"' }])
    expect(controller.deps.feed.current?.version).toBe(2)
  })
})

describe('a publish that is refused', () => {
  it('changes nothing and says where, whether it is the contract or the schema that refuses', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 1 })
    await controller.request('/config/schema', put({ properties: { n: { type: 'number' }, m: { type: 'number' } }, required: ['n'] }))
    const before = [await history(controller), await audit(controller), controller.deps.feed.current]
    const refused: readonly [string, object, ErrorCode, readonly string[]][] = [
      ['neither', { data: { url: 'ftp://x', n: 'x' }, poll_interval_seconds: 1.5 }, 'INVALID_REQUEST', ['data.url', 'poll_interval_seconds']],
      ['not the contract', { data: { url: 'ftp://x', n: 1 } }, 'INVALID_REQUEST', ['data.url']],
      ['not the schema', { data: { m: 'x' } }, 'SCHEMA_VIOLATION', ['data.n', 'data.m']],
    ]
    for (const [name, body, code, paths] of refused) {
      const { error } = await errorOf(await controller.request('/config', { body, headers: withKey(name.replaceAll(' ', '-')) }), 400, code)
      expect(error.details?.map(({ path }) => path)).toEqual(paths)
      for (const path of paths) expect(error.message.includes(path) || error.message.includes('more)')).toBe(true)
    }
    expect([await history(controller), await audit(controller), controller.deps.feed.current]).toEqual(before)
    // Their keys are free: nothing was published with them.
    expect((await publish(controller, { n: 2 }, withKey('neither'))).status).toBe(201)
  })
})

describe('traceparent', () => {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

  it('of a publish and of a rollback goes with the config', async () => {
    await using controller = await TestController.open()
    expect(await dataOf(await publish(controller, {}, { traceparent: trace }), 201, ConfigSchema)).toMatchObject({ traceparent: trace })
    const back = await controller.request('/config/rollback', { body: { version: 1 }, headers: { traceparent: trace } })
    expect(await dataOf(back, 201, ConfigSchema)).toMatchObject({ traceparent: trace })
    expect(controller.deps.feed.current?.config.traceparent).toBe(trace)
  })

  it.each([
    trace.replace('00-', 'ff-'),
    trace.toUpperCase(),
    trace.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
    trace.replace('00f067aa0ba902b7', '0'.repeat(16)),
    `${trace}-00`,
    `${trace}, ${trace}`,
    'x',
  ])('that is none is ignored: %s', async (value) => {
    await using controller = await TestController.open()
    expect(await dataOf(await publish(controller, {}, { traceparent: value }), 201, ConfigSchema)).not.toHaveProperty('traceparent')
  })
})

describe('a dry run', () => {
  it('says what would be published, the difference and the violations, and stores nothing', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 1 })
    await controller.request('/config/schema', put({ properties: { n: { type: 'number' } } }))
    const before = await audit(controller)
    const answer = await controller.request('/config?dry_run=true', { body: { data: { n: 'x' } }, headers: withKey('k') })
    expect(await dataOf(answer, 200, DryRunSchema)).toEqual({
      dry_run: true,
      would_publish: { version: 2, data: { n: 'x' }, poll_interval_seconds: 30 },
      diff: { patch: [{ op: 'replace', path: '/data/n', value: 'x' }], text: '~ data.n: 1 -> "x"' },
      violations: [{ path: 'data.n', message: 'must be number, got "x"' }],
    })
    expect(await audit(controller)).toEqual(before)
    expect(await history(controller)).toHaveLength(1)
    // Its key is free: a dry run is no publish.
    expect((await publish(controller, { n: 2 }, withKey('k'))).status).toBe(201)
  })

  it('refuses what a publish refuses for other reasons', async () => {
    await using controller = await TestController.open()
    await errorOf(await controller.request('/config?dry_run=true', { body: { data: { url: 'ftp://x' } } }), 400, 'INVALID_REQUEST')
    await errorOf(await controller.request('/config?dry_run=true', { body: { data: {} }, headers: { 'If-Match': '"3"' } }), 412, 'VERSION_CONFLICT')
    await errorOf(await controller.request('/config?dry_run=maybe', { body: { data: {} } }), 400, 'INVALID_REQUEST')
    await errorOf(await controller.request('/config?dry_run=true', { body: { data: { x: 'x'.repeat(1024 * 1024) } } }), 413, 'PAYLOAD_TOO_LARGE')
  })
})

describe('the config schema', () => {
  it('holds from the moment it is set, and no publish gets past it while it changes', async () => {
    await using controller = await TestController.open()
    const publishes = Array.from({ length: 50 }, (_, i) => publish(controller, { n: i % 2 ? i : 'x' }))
    const set = controller.request('/config/schema?force=true', put({ properties: { n: { type: 'number' } } }))
    const more = Array.from({ length: 50 }, (_, i) => publish(controller, { n: i % 2 ? i : 'x' }))
    await Promise.all([...publishes, set, ...more])
    const entries = (await audit(controller, '?limit=1000')).entries.reverse()
    const position = entries.findIndex(({ action }) => action === 'schema_set')
    expect(position).toBeGreaterThanOrEqual(0)
    const configs = new Map((await history(controller, '?data=true&limit=1000')).map((config) => [config.version, config.data]))
    for (const { version_after } of entries.slice(position + 1)) expect(configs.get(version_after ?? 0)).toEqual({ n: expect.any(Number) })
  })

  it('is read anew where the store has another: no publish gets past the one that is in force', async () => {
    await using controller = await TestController.open()
    const { store } = controller.deps
    // Behind the back of what this process holds.
    await store.setSchema({ required: ['n'] }, { revision: 0, latest: 0 }, someone, undefined)
    await errorOf(await publish(controller, { m: 1 }), 400, 'SCHEMA_VIOLATION')
    expect((await publish(controller, { n: 1 })).status).toBe(201)
  })

  it('that changes faster than a publish can be checked is a 503, and nothing is published unchecked', async () => {
    await using controller = await TestController.open()
    const { store } = controller.deps
    const { publish: stored } = store
    vi.spyOn(store, 'publish').mockImplementation(async (config, actor) => {
      const { revision } = await store.schema()
      await store.setSchema(revision % 2 ? undefined : { type: 'object' }, { revision, latest: 0 }, someone, undefined)
      return stored(config, actor)
    })
    const answer = await publish(controller, { n: 1 })
    expect(answer.headers.get('Retry-After')).toBe('1')
    await errorOf(answer, 503, 'OVERLOADED')
    expect(await history(controller)).toEqual([])
  })

  it('is set while others publish, judged by the config that is the latest at that moment', async () => {
    await using controller = await TestController.open()
    let over = false
    const publishing = (async () => {
      for (let n = 0; !over; n++) await controller.publish({ n })
    })()
    const answers = await Promise.all([1, 2, 3].map((n) => controller.request('/config/schema', put({ properties: { n: { minimum: -n } } }))))
    over = true
    await publishing
    // Each is either in force once, or was told to try again.
    const set = answers.filter(({ status }) => status === 200).length
    for (const answer of answers) if (answer.status !== 200) await errorOf(answer, 503, 'OVERLOADED')
    expect((await audit(controller, '?limit=1000')).entries.filter(({ action }) => action === 'schema_set')).toHaveLength(set)
  })

  it('is tried on the config that is the latest when it is stored, not on the one that was', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 1 })
    const { store } = controller.deps
    const { setSchema } = store
    vi.spyOn(store, 'setSchema').mockImplementationOnce(async (...change) => {
      await controller.publish({ n: 'x' })
      return setSchema(...change)
    })
    await errorOf(await controller.request('/config/schema', put({ properties: { n: { type: 'number' } } })), 400, 'SCHEMA_VIOLATION')
    await errorOf(await controller.request('/config/schema'), 404, 'NOT_FOUND')
  })

  it('is deleted once, by whoever is first', async () => {
    await using controller = await TestController.open()
    await controller.request('/config/schema', put({}))
    const statuses = await Promise.all([1, 2, 3].map(async () => (await controller.request('/config/schema', { method: 'DELETE' })).status))
    expect(statuses.sort()).toEqual([200, 404, 404])
    expect((await audit(controller)).entries.map(({ action }) => action)).toEqual(['schema_deleted', 'schema_set'])
  })

  it('answers each who sets one with what they set', async () => {
    await using controller = await TestController.open()
    const answers = await Promise.all([1, 2, 3].map((n) => controller.request('/config/schema', put({ title: `${n}` }))))
    const titles = await Promise.all(answers.map(async (answer) => (await dataOf(answer, 200, StoredSchemaSchema)).schema.title))
    expect(titles).toEqual(['1', '2', '3'])
  })

  it('that lets everything through by a trick of its compiler is refused', async () => {
    await using controller = await TestController.open()
    const { error } = await errorOf(await controller.request('/config/schema', put({ $async: true, required: ['n'] })), 400, 'INVALID_SCHEMA')
    expect(error.details?.[0]?.path).toBe('schema.$async')
  })

  it('that would take for ever with the latest config is refused, forced or not', async () => {
    await using checker = new TestChecker({ limit_ms: 200 })
    await using controller = await TestController.open({ checker })
    await controller.publish({ x: `${'a'.repeat(40)}!` })
    for (const query of ['', '?force=true']) {
      const answer = await controller.request(`/config/schema${query}`, put({ properties: { x: { pattern: '^(a+)+$' } } }))
      expect((await errorOf(answer, 400, 'INVALID_SCHEMA')).error.details).toEqual([
        { path: 'schema', message: expect.stringMatching(/^checking the config by it took longer than 0.2 s and was given up; look for patterns/) },
      ])
    }
    await errorOf(await controller.request('/config/schema'), 404, 'NOT_FOUND')
  })

  it('that cannot be checked is a 503 and no 400, for publishes and for itself', async () => {
    await using checker = new TestChecker({ file: new URL('file:///nowhere/thread.js') })
    const lines: string[] = []
    const logger = { ...silentLogger, error: (_part: string, message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`) }
    await using controller = await TestController.open({ checker, overrides: { logger } })
    const { error } = await errorOf(await controller.request('/config/schema', put({ type: 'object' })), 503, 'NOT_READY')
    // Where this machine has its files is for its log alone.
    expect(JSON.stringify(error)).not.toContain('nowhere')
    expect(lines.join()).toMatch(/^the config schema cannot be checked .*its thread cannot be started: Cannot find module.*nowhere/)
    await controller.deps.store.setSchema({ type: 'object' }, { revision: 0, latest: 0 }, someone, undefined)
    await errorOf(await publish(controller, { n: 1 }), 503, 'NOT_READY')
    await errorOf(await controller.request('/config?dry_run=true', { body: { data: {} } }), 503, 'NOT_READY')
    expect(await history(controller)).toEqual([])
    // Without a schema nothing has to be checked.
    expect((await controller.request('/config/schema', { method: 'DELETE' })).status).toBe(200)
    expect((await publish(controller, { n: 1 })).status).toBe(201)
  })

  it('too large is a 413', async () => {
    await using controller = await TestController.open()
    await errorOf(await controller.request('/config/schema', put({ title: 'x'.repeat(256 * 1024) })), 413, 'PAYLOAD_TOO_LARGE')
  })

  it('that is set between the check of a config and its storing is what the config has to meet', async () => {
    await using controller = await TestController.open()
    const { schema } = controller.deps
    const opinion = schema.opinion.bind(schema)
    vi.spyOn(schema, 'opinion').mockImplementationOnce(async (action, text) => {
      const before = await opinion(action, text)
      await dataOf(await controller.request('/config/schema', put({ properties: { n: { type: 'number' } } })), 200, StoredSchemaSchema)
      return before
    })
    await errorOf(await publish(controller, { n: 'x' }), 400, 'SCHEMA_VIOLATION')
    expect(await history(controller)).toEqual([])
  })

  it('that the latest config does not meet is refused, unless it is forced', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 'x' })
    const schema = put({ properties: { n: { type: 'number' } } })
    const { error } = await errorOf(await controller.request('/config/schema', schema), 400, 'SCHEMA_VIOLATION')
    expect(error.message).toContain('?force=true')
    await errorOf(await controller.request('/config/schema'), 404, 'NOT_FOUND')
    await dataOf(await controller.request('/config/schema?force=true&comment=why', schema), 200, StoredSchemaSchema)
    expect((await audit(controller)).entries[0]).toMatchObject({ action: 'schema_set', comment: 'why', version_after: 1 })
    await errorOf(await publish(controller, { n: 'y' }), 400, 'SCHEMA_VIOLATION')
    expect((await publish(controller, { n: 1 })).status).toBe(201)
  })

  it('with a pattern that takes for ever holds up nobody but the publish that meets it', async () => {
    await using controller = await TestController.open()
    const { fetch } = await controller.listen()
    await controller.publish({ x: 'a' })
    await dataOf(await controller.request('/config/schema', put({ properties: { x: { pattern: '^(a+)+$' } } })), 200, StoredSchemaSchema)
    let over = false
    const slow = publish(controller, { x: `${'a'.repeat(40)}!` }).finally(() => {
      over = true
    })
    let reads = 0
    while (!over) {
      expect((await fetch('/config')).status).toBe(200)
      reads++
    }
    const { error } = await errorOf(await slow, 400, 'SCHEMA_VIOLATION')
    expect(error.details?.[0]?.message).toContain('took longer than 2 s')
    // Held up for those two seconds it would have been a handful.
    expect(reads).toBeGreaterThan(100)
    expect((await publish(controller, { x: 'aaa' })).status).toBe(201)
  })

  it('is in force after a restart', async () => {
    await using controller = await TestController.open()
    await controller.request('/config/schema', put({ required: ['n'] }))
    const again = await SchemaGate.open({ store: controller.deps.store, logger: controller.deps.logger })
    expect((await again.opinion('publish', '{}')).violations).toEqual([{ path: 'data.n', message: 'is missing, and the schema requires it' }])
    await again.close()
  })
})

describe('the history', () => {
  it('comes newest first, page by page, with data only where it is asked for', async () => {
    await using controller = await TestController.open()
    for (let n = 1; n <= 5; n++) await controller.publish({ n })
    const versions: number[] = []
    for (let before: number | undefined; ; ) {
      const page = await dataOf(await controller.request(`/configs?limit=2${before ? `&before=${before}` : ''}`), 200, HistoryPageSchema)
      versions.push(...page.configs.map(({ version }) => version))
      for (const config of page.configs) expect('data' in config).toBe(false)
      before = page.next_before
      if (before === undefined) break
    }
    expect(versions).toEqual([5, 4, 3, 2, 1])
    expect((await history(controller, '?data=true&limit=1'))[0]).toMatchObject({ data: { n: 5 }, bytes: 7 })
  })

  it('has pages of data that are not too large, whatever limit says, and each goes on where the one before ended', async () => {
    await using controller = await TestController.open()
    const filling = 'x'.repeat(1_000_000)
    for (let n = 1; n <= 20; n++) await controller.publish({ n, filling })
    const pages: number[][] = []
    for (let before: number | undefined; ; ) {
      const query = `data=true&limit=1000${before ? `&before=${before}` : ''}`
      const answer = await controller.request(`/configs?${query}`)
      const page = await dataOf(answer, 200, HistoryPageSchema)
      for (const { version, data, bytes } of page.configs) expect([data?.n, bytes]).toEqual([version, JSON.stringify(data).length])
      pages.push(page.configs.map(({ version }) => version))
      before = page.next_before
      if (before === undefined) break
    }
    expect(pages.map((page) => page.length)).toEqual([8, 8, 4])
    expect(pages.flat()).toEqual(Array.from({ length: 20 }, (_, i) => 20 - i))
    // Without data they all fit.
    expect(await history(controller, '?limit=1000')).toHaveLength(20)
  })

  it('gives a config that is larger than a page a page of its own', async () => {
    await using controller = await TestController.open({ env: { MAX_CONFIG_BYTES: '10000000' } })
    for (let n = 1; n <= 2; n++) await controller.publish({ filling: 'x'.repeat(9_000_000) })
    const page = await dataOf(await controller.request('/configs?data=true'), 200, HistoryPageSchema)
    expect([page.configs.map(({ version }) => version), page.next_before]).toEqual([[2], 2])
  })

  it('counts bytes and not characters', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 'ä€😀' })
    expect((await history(controller))[0]?.bytes).toBe(Buffer.byteLength('{"n":"ä€😀"}'))
  })

  it('compares any two versions, either way', async () => {
    await using controller = await TestController.open()
    await controller.publish({ a: 1 })
    await controller.publish({ a: 2 })
    const diff = async (from: number, to: number) => dataOf(await controller.request(`/configs/diff?from=${from}&to=${to}`), 200, VersionDiffSchema)
    expect((await diff(1, 2)).text).toBe('~ data.a: 1 -> 2')
    expect((await diff(2, 1)).text).toBe('~ data.a: 2 -> 1')
    expect((await diff(2, 2)).patch).toEqual([])
  })
})
