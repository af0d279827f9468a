import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { Distribution } from '#lib/observe/metrics/distribution.ts'
import { type Family, one, stateSet, type Values } from '#lib/observe/metrics/family.ts'
import { MetricsRegistry } from '#lib/observe/metrics/registry.ts'
import { Scrape } from '#test/_support/scrape.ts'

const gauge = (name: string, read: Values['read']): Family => ({ name, type: 'gauge', help: 'A gauge.', labels: ['label'], read })

/** A registry with the warnings that it logged. */
function registryOf(...families: readonly Family[]) {
  const warnings: string[] = []
  return { registry: new MetricsRegistry('worker', families, { warn: (_part, message) => void warnings.push(message) }), warnings }
}

test('a distribution counts each value in its class, whatever the values', () => {
  const bounds = [0.1, 1, 10]
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.double({ min: 0, max: 100, noNaN: true }), fc.constantFrom(...bounds))), (values) => {
      const spread = new Distribution(bounds)
      for (const value of values) spread.observe(value)
      const upTo = (bound: number) => values.filter((value) => value <= bound).length
      let below = 0
      for (const [at, bound] of [...bounds, Number.POSITIVE_INFINITY].entries()) {
        below += spread.counts[at] ?? 0
        expect(below).toBe(upTo(bound))
      }
      expect(spread.sum).toBeCloseTo(
        values.reduce((sum, value) => sum + value, 0),
        5,
      )
    }),
  )
})

describe('a registry', () => {
  const spread = new Distribution([0.1, 1])
  for (const value of [0.05, 0.5, 0.7, 7]) spread.observe(value)
  const families: readonly Family[] = [
    {
      name: 'dcm_things_total',
      type: 'counter',
      help: 'Things.\nWith \\ in it.',
      labels: ['kind'],
      read: () => [{ labels: { kind: 'a "b" \\ \n c' }, value: 3 }],
    },
    {
      name: 'dcm_took_seconds',
      type: 'histogram',
      unit: 'seconds',
      help: 'Took.',
      labels: ['route'],
      bounds: spread.bounds,
      read: () => [{ labels: { route: '/x' }, of: spread }],
    },
    { name: 'dcm_nothing', type: 'gauge', help: 'Not known.', read: () => one(undefined) },
    { name: 'dcm_state', type: 'gauge', help: 'State.', labels: ['state'], read: () => stateSet('state', ['a', 'b'], 'b') },
  ]

  it('writes the text format', async () => {
    const { registry } = registryOf(...families)
    const { type, text } = await registry.expose('text')
    const scrape = new Scrape(text)
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(scrape.of('dcm_things_total')).toEqual({ '{kind="a \\"b\\" \\\\ \\n c"}': 3 })
    expect(text).toContain('# HELP dcm_things_total Things.\\nWith \\\\ in it.\n# TYPE dcm_things_total counter\n')
    expect(scrape.of('dcm_took_seconds_bucket')).toEqual({ '{route="/x",le="0.1"}': 1, '{route="/x",le="1"}': 3, '{route="/x",le="+Inf"}': 4 })
    expect([scrape.value('dcm_took_seconds_sum{route="/x"}'), scrape.value('dcm_took_seconds_count{route="/x"}')]).toEqual([8.25, 4])
    expect(scrape.of('dcm_state')).toEqual({ '{state="a"}': 0, '{state="b"}': 1 })
    expect(text).not.toContain('dcm_nothing')
  })

  it('writes OpenMetrics, and after that the text format as before', async () => {
    const { registry } = registryOf(...families)
    const { text: before } = await registry.expose('text')
    const { type, text } = await registry.expose('openmetrics')
    expect(type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
    expect(text).toContain('# TYPE dcm_things counter\ndcm_things_total{')
    expect(text.endsWith('\n# EOF\n')).toBe(true)
    const own = (all: string) => all.slice(0, all.indexOf('# HELP dcm_service_info'))
    expect(own((await registry.expose('text')).text)).toBe(own(before))
  })

  it('leaves out what cannot be read, says so once until it was mended, and tells the rest', async () => {
    let broken = true
    const { registry, warnings } = registryOf(
      gauge('dcm_broken', () => (broken ? Promise.reject(new Error('no')) : [{ labels: { label: 'x' }, value: 1 }])),
      ...families,
    )
    for (let i = 0; i < 3; i++) {
      const scrape = new Scrape((await registry.expose('text')).text)
      expect(scrape.value('dcm_broken{label="x"}')).toBeUndefined()
      expect(scrape.value('dcm_state{state="b"}')).toBe(1)
    }
    expect(warnings).toEqual(['the metric dcm_broken cannot be read, and is left out'])
    broken = false
    expect(new Scrape((await registry.expose('text')).text).value('dcm_broken{label="x"}')).toBe(1)
    broken = true
    await registry.expose('text')
    expect(warnings).toHaveLength(2)
  })

  it('answers within a second, though some of it hangs', async () => {
    const { registry, warnings } = registryOf(
      gauge('dcm_hangs', () => new Promise(() => {})),
      gauge('dcm_hangs_too', () => new Promise(() => {})),
      ...families,
    )
    const began = performance.now()
    const scrape = new Scrape((await registry.expose('text')).text)
    expect(performance.now() - began).toBeLessThan(1000)
    expect(scrape.value('dcm_state{state="b"}')).toBe(1)
    expect(warnings).toHaveLength(2)
  })

  it('refuses two families of one name', () => {
    expect(() => registryOf(...families, ...families)).toThrow('dcm_things_total is there twice')
  })

  it('tells of its process, and of the lag of its event loop from the second look on', async () => {
    const { registry } = registryOf()
    const first = new Scrape((await registry.expose('text')).text)
    expect(first.of('dcm_event_loop_lag_seconds')).toEqual({})
    for (const name of ['dcm_process_cpu_seconds_total', 'dcm_process_resident_memory_bytes', 'dcm_process_start_time_seconds'])
      expect(first.value(name), name).toBeGreaterThan(0)
    const lagOf = async () => new Scrape((await registry.expose('text')).text).value('dcm_event_loop_lag_seconds{quantile="1"}') ?? 0
    // Samples come every 100 ms; a stall between two makes the next late.
    let worst = 0
    for (let tries = 0; tries < 20 && worst < 0.2; tries++) {
      await delay(150)
      const until = performance.now() + 400
      while (performance.now() < until);
      await delay(0)
      worst = Math.max(worst, await lagOf())
    }
    expect(worst).toBeGreaterThanOrEqual(0.2)
    expect(worst).toBeLessThan(20)
    registry.close()
  })

  it('has nothing of any other registry, and the client has nothing of its own', async () => {
    const [one, two] = [registryOf(...families).registry, new MetricsRegistry('agent', [], silentLogger)]
    await one.expose('text')
    expect((await two.expose('text')).text).not.toContain('dcm_things')
    const { register } = await import('prom-client')
    expect(register.getMetricsAsArray()).toEqual([])
  })
})
