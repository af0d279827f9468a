import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '#lib/store/port.ts'
import { boundedVersions } from '#services/controller/metrics.ts'
import { admin } from '#test/_support/callers.ts'
import { TestController } from '#test/_support/controller.ts'
import { type Scrape, scrape } from '#test/_support/scrape.ts'
import { register, report, withHeldClock } from './fleet-calls.ts'

const scrapeOf = (controller: TestController): Promise<Scrape> => scrape((path) => controller.request(path, { key: null }))

describe('GET /metrics of the controller', () => {
  it('is answered without a key, to any Host and to browsers, by GET only', async () => {
    await using controller = await TestController.open({ env: { API_KEY: '' } })
    const all: readonly Readonly<Record<string, string>>[] = [{}, { Host: '10.1.2.3:6001' }, { Origin: 'https://grafana.example' }]
    for (const headers of all) expect((await controller.request('/metrics', { key: null, headers })).status).toBe(200)
    const answer = await controller.request('/metrics', { key: null, method: 'POST' })
    expect(answer.status).toBe(405)
  })

  it.each([
    [undefined, 'text/plain; version=0.0.4; charset=utf-8'],
    ['*/*', 'text/plain; version=0.0.4; charset=utf-8'],
    ['text/html', 'text/plain; version=0.0.4; charset=utf-8'],
    // What Prometheus 2 and 3 send.
    [
      'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    ],
    ['text/plain;version=0.0.4;q=0.6,application/openmetrics-text;q=0.3', 'text/plain; version=0.0.4; charset=utf-8'],
  ])('speaks what is asked for: %s', async (accept, type) => {
    await using controller = await TestController.open()
    const answer = await controller.request('/metrics', { headers: accept === undefined ? {} : { Accept: accept } })
    expect([answer.status, answer.headers.get('Content-Type')]).toEqual([200, type])
    expect((await answer.text()).endsWith('# EOF\n')).toBe(type.startsWith('application/'))
  })

  it('counts publishes by what they came to, and times those that were stored', async () => {
    await using controller = await TestController.open()
    expect((await scrapeOf(controller)).of('dcm_publishes_total')).toEqual({ '{outcome="published"}': 0, '{outcome="repeated"}': 0 })
    await controller.publish()
    for (let at = 0; at < 2; at++) await controller.request('/config', { body: { data: { a: 1 } }, headers: { 'Idempotency-Key': 'once' } })
    await controller.request('/config', { body: { data: {} }, headers: { 'If-Match': '"1"' } })
    await controller.request('/config/rollback', { body: { version: 1 } })
    await controller.request('/config?dry_run=true', { body: { data: {} } })
    const scraped = await scrapeOf(controller)
    expect(scraped.of('dcm_publishes_total')).toEqual({ '{outcome="published"}': 3, '{outcome="repeated"}': 1, '{outcome="version_conflict"}': 1 })
    expect(scraped.value('dcm_publish_duration_seconds_count')).toBe(3)
    expect(scraped.value('dcm_publish_duration_seconds_sum')).toBeGreaterThan(0)
    expect(scraped.value('dcm_latest_version')).toBe(3)
    expect(scraped.value('dcm_audit_entries_total')).toBe(3)
    expect(scraped.value('dcm_store_up')).toBe(1)
  })

  it('tells of the fleet, and of how long the latest version takes to each agent, once', async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const ids: string[] = []
    for (const name of ['one', 'two', 'three', 'silent']) ids.push(await register(controller, name))
    const [one = '', two = '', three = ''] = ids
    await controller.publish()
    await report(controller, three, 1)
    await controller.publish()
    clock.pass(40)
    await report(controller, one, 2, 'applying')
    await report(controller, one, 2)
    // Again, as after a registration, and by a worker that lost its config meanwhile.
    await report(controller, one, 2)
    await report(controller, one, 2, 'applying')
    await report(controller, one, 2)
    clock.pass(7000)
    await report(controller, two, 2, 'failed', 'no')
    // A late one about the version before says nothing of this one.
    await report(controller, two, 1)
    await report(controller, three, 2)
    const scraped = await scrapeOf(controller)
    const buckets = scraped.of('dcm_propagation_seconds_bucket')
    // Three's report of version 1 came at once.
    expect([
      buckets['{le="0.005"}'],
      buckets['{le="0.025"}'],
      buckets['{le="0.05"}'],
      buckets['{le="5"}'],
      buckets['{le="10"}'],
      buckets['{le="+Inf"}'],
    ]).toEqual([1, 1, 2, 2, 3, 3])
    expect(scraped.value('dcm_propagation_seconds_sum')).toBeCloseTo(0.04 + 7.04, 5)
    expect(scraped.of('dcm_agents')).toEqual({
      '{state="registered"}': 1,
      '{state="pending"}': 1,
      '{state="applying"}': 0,
      '{state="applied"}': 2,
      '{state="failed"}': 0,
      '{state="offline"}': 0,
    })
    expect(scraped.of('dcm_agents_by_version')).toEqual({ '{version="1"}': 1, '{version="2"}': 2, '{version="other"}': 0, '{version="none"}': 1 })
    expect([scraped.value('dcm_agents_online'), scraped.value('dcm_converged_ratio')]).toEqual([4, 2 / 3])
    clock.pass(90_000)
    const later = await scrapeOf(controller)
    expect([later.value('dcm_agents_online'), later.value('dcm_agents{state="offline"}'), later.value('dcm_converged_ratio')]).toEqual([0, 4, undefined])
  })

  it('says that its database takes no write, and tells the rest', async () => {
    await using controller = await TestController.open()
    const { store } = controller.deps
    const away = () => Promise.reject(new StoreUnavailableError('the database refused: disk is full (SQLITE_FULL)'))
    Object.assign(store, { checkWritable: away, audit: away })
    const scraped = await scrapeOf(controller)
    expect([scraped.value('dcm_store_up'), scraped.value('dcm_audit_entries_total'), scraped.value('dcm_agents_online')]).toEqual([0, undefined, 0])
  })

  it('stays small with ten thousand agents, each with a version, labels and an address of its own', { timeout: 60_000 }, async () => {
    const { controller, clock } = await withHeldClock()
    await using _ = controller
    const { fleet } = controller.deps
    const empty = await scrapeOf(controller)
    const agents = 10_000
    const ids = Array.from({ length: agents }, (_unused, at) => `agent-${at}`)
    await controller.publish()
    await Promise.all(
      ids.map((id, at) =>
        fleet.register(
          id,
          { hostname: `host-${at}`, ip_address: `10.0.${at >> 8}.${at & 255}`, port: 8081, labels: { rack: `rack-${at}` }, agent_version: `1.0.${at}` },
          [],
          null,
        ),
      ),
    )
    for (const [at, id] of ids.entries()) await fleet.report(id, { version: at + 1, state: at % 3 === 0 ? 'failed' : 'applied', error: `error ${at}` }, admin)
    clock.pass(250)
    const scraped = await scrapeOf(controller)
    expect(scraped.value('dcm_agents_online')).toBe(agents)
    const byVersion = scraped.of('dcm_agents_by_version')
    expect(Object.keys(byVersion).length).toBeLessThanOrEqual(12)
    expect(Object.values(byVersion).reduce((sum, count) => sum + count, 0)).toBe(agents)
    // Not more than ten versions beyond an empty fleet's.
    expect(scraped.samples.size - empty.samples.size).toBeLessThanOrEqual(16)
    expect(scraped.text.length - empty.text.length).toBeLessThan(2000)
    expect(scraped.text.length).toBeLessThan(32 * 1024)
    expect(scraped.text).not.toMatch(/agent-\d|host-\d|10\.0\.|rack-|error \d/)
  })
})

describe('agents by version', () => {
  it('names the latest, and those that most agents run; the newer where as many do', () => {
    const byVersion = Object.fromEntries([...Array.from({ length: 20 }, (_, at) => [String(at + 1), at < 3 ? 100 : 1] as const), ['none', 4] as const])
    const bounded = boundedVersions(byVersion, 15)
    expect(Object.keys(bounded).sort()).toEqual(['1', '2', '3', '15', '20', '19', '18', '17', '16', '14', 'other', 'none'].sort())
    expect(bounded).toMatchObject({ 1: 100, 15: 1, other: 10, none: 4 })
    expect(Object.values(bounded).reduce((sum, count) => sum + count, 0)).toBe(3 * 100 + 17 + 4)
    expect(boundedVersions({}, null)).toEqual({ other: 0, none: 0 })
  })
})
