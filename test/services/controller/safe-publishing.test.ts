import { describe, expect, it, vi } from 'vitest'
import { AuditPageSchema } from '#lib/contract/audit.ts'
import { ConfigSchema } from '#lib/contract/config.ts'
import { StoredSchemaSchema } from '#lib/contract/config-schema.ts'
import { DryRunSchema, HistoryPageSchema, VersionDiffSchema } from '#lib/contract/history.ts'
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
    const { systemClock } = await import('#lib/runtime/clock.ts')
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
    const { ConfigSchema: Gate } = await import('#services/controller/config-schema.ts')
    const again = await Gate.open({ store: controller.deps.store, logger: controller.deps.logger })
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
