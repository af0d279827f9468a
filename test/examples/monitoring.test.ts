import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Family } from '#lib/observe/metrics/family.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { openServices } from '../../scripts/docs/services.ts'
import { readExpression } from './promql.ts'

const path = (name: string): string => new URL(`../../examples/monitoring/${name}`, import.meta.url).pathname
const read = (name: string): string => readFileSync(path(name), 'utf8')

/** What Prometheus itself adds to every series, and what it says of a scrape. */
const targetLabels = ['job', 'instance']
const prometheusOwn = ['up']

const duration = z.string().regex(/^\d+[smhd]$/)
const RulesSchema = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Dcm[A-Z]\w+$/),
          expr: z.string(),
          for: duration.optional(),
          labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string().optional() }),
        }),
      ),
    }),
  ),
})
const ScrapeSchema = z.strictObject({
  global: z.strictObject({ scrape_interval: duration, evaluation_interval: duration }),
  rule_files: z.array(z.string()),
  scrape_configs: z.array(z.strictObject({ job_name: z.string(), static_configs: z.array(z.strictObject({ targets: z.array(z.string()) })) })),
})
const datasource = z.strictObject({ type: z.literal('prometheus'), uid: z.string().regex(/^\$\{datasource\}$/) })
const PanelSchema = z.looseObject({
  id: z.number(),
  type: z.enum(['row', 'timeseries', 'stat', 'gauge']),
  title: z.string(),
  gridPos: z.strictObject({ h: z.number(), w: z.number(), x: z.number(), y: z.number() }),
  datasource: datasource.optional(),
  targets: z.array(z.looseObject({ expr: z.string(), datasource })).optional(),
})
const DashboardSchema = z.looseObject({
  uid: z.string(),
  panels: z.array(PanelSchema),
  templating: z.object({ list: z.array(z.looseObject({ name: z.string(), type: z.string(), definition: z.string().optional() })) }),
  annotations: z.object({ list: z.array(z.looseObject({ expr: z.string(), datasource })) }),
})

const rules = RulesSchema.parse(parse(read('alerts.yml'))).groups.flatMap((group) => group.rules)
const dashboard = DashboardSchema.parse(JSON.parse(read('grafana-dashboard.json')))
const targets = dashboard.panels.flatMap(({ title, targets: all = [] }) => all.map(({ expr }) => ({ title, expr })))

let families = new Map<string, Family>()
let folder: TempFolder | undefined
let services: Awaited<ReturnType<typeof openServices>> | undefined
beforeAll(async () => {
  folder = new TempFolder()
  services = await openServices(folder.path)
  const { controller, agent, relay, worker } = services
  families = new Map([controller, agent, relay, worker].flatMap(({ metrics }) => metrics.families.map((family) => [family.name, family] as const)))
})
afterAll(async () => {
  await services?.[Symbol.asyncDispose]()
  folder?.[Symbol.dispose]()
})

/** The family that a series belongs to, by its name with the suffix that its kind has. */
function familyOf(series: string): Family | undefined {
  const family = families.get(series)
  if (family !== undefined) return family.type === 'histogram' ? undefined : family
  const [, name = '', suffix] = /^(\w+)_(bucket|sum|count)$/.exec(series) ?? []
  const histogram = families.get(name)
  return suffix !== undefined && histogram?.type === 'histogram' ? histogram : undefined
}

/** Fails where an expression reads a series that no service tells, or goes by a label that it does not have. */
function check(expr: string): void {
  const { selectors, grouping } = readExpression(expr)
  expect(selectors.length, expr).toBeGreaterThan(0)
  const known = new Set(targetLabels)
  for (const { metric, labels } of selectors) {
    const own = prometheusOwn.includes(metric)
    const family = familyOf(metric)
    expect(own || family !== undefined, `${metric} of ${expr}`).toBe(true)
    const has = [...targetLabels, ...(family?.labels ?? []), ...(metric.endsWith('_bucket') ? ['le'] : [])]
    for (const label of has) known.add(label)
    for (const label of labels) expect(has, `${label} of ${metric} in ${expr}`).toContain(label)
  }
  for (const label of grouping) expect([...known], `${label} in ${expr}`).toContain(label)
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** The seconds of a duration as Prometheus writes it. */
const seconds = (text: string): number => Number.parseInt(text, 10) * (SECONDS[text.slice(-1)] ?? Number.NaN)

describe('alerts.yml', () => {
  it.each(rules.map(({ alert, expr }) => ({ alert, expr })))('$alert: reads series that there are, by labels that they have', ({ expr }) => check(expr))

  it('names each alert once, and in its texts only labels that its expression leaves', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { alert, expr, annotations } of rules) {
      const { selectors, grouping } = readExpression(expr)
      const aggregated = /\b(?:sum|max|min|avg|count)\b/.test(expr)
      const left = aggregated ? grouping : [...targetLabels, ...selectors.flatMap(({ metric }) => familyOf(metric)?.labels ?? [])]
      for (const [, label] of Object.values(annotations)
        .join(' ')
        .matchAll(/\$labels\.(\w+)/g))
        expect(left, alert).toContain(label)
    }
  })

  it.each([
    ['the fleet does not converge', 'dcm_converged_ratio'],
    ['agents fail, or are offline', 'dcm_agents'],
    ['the controller is down', 'up'],
    ['the store takes no write', 'dcm_store_up'],
    ['hits fail', 'dcm_hits_total'],
    ['hits wait', 'dcm_hit_queue_oldest_seconds'],
    ['the backlog is nearly full', 'dcm_hit_queue_max_backlog'],
    ['a circuit is open', 'dcm_hit_circuits_open'],
    ['an event loop lags', 'dcm_event_loop_lag_seconds'],
    ['a relay is cut off', 'dcm_relay_cut_off'],
  ])('says when %s', (_what, metric) => {
    expect(rules.flatMap(({ expr }) => readExpression(expr).selectors.map((selector) => selector.metric))).toContain(metric)
  })

  it('looks back for at least four scrapes, so that one that is missed is no alarm', () => {
    const { global } = ScrapeSchema.parse(parse(read('prometheus.yml')))
    for (const { expr } of rules)
      for (const [, range = ''] of expr.matchAll(/\[(\d+\w)\]/g)) expect(seconds(range), expr).toBeGreaterThanOrEqual(4 * seconds(global.scrape_interval))
  })

  // Where the tool itself is there it has the last word; the reading above goes by the same grammar.
  it('is taken by promtool, with prometheus.yml', () => {
    const answer = spawnSync('promtool', ['check', 'config', path('prometheus.yml')], { encoding: 'utf8' })
    if (answer.error === undefined) expect(answer.status, answer.stdout + answer.stderr).toBe(0)
    else expect(answer.error).toMatchObject({ code: 'ENOENT' })
  })
})

it('prometheus.yml scrapes the three services, by the jobs that the alerts go by', () => {
  const { scrape_configs, rule_files } = ScrapeSchema.parse(parse(read('prometheus.yml')))
  expect(scrape_configs.map(({ job_name, static_configs }) => [job_name, static_configs.flatMap((one) => one.targets)])).toEqual([
    ['dcm-controller', ['localhost:6001']],
    ['dcm-agent', ['localhost:8081']],
    ['dcm-worker', ['localhost:6002']],
  ])
  expect(rule_files).toEqual(['alerts.yml'])
  const jobs = rules.flatMap(({ expr }) => [...expr.matchAll(/job=~?"([^"]+)"/g)].map(([, job = '']) => job))
  for (const job of jobs)
    expect(
      scrape_configs.some(({ job_name }) => new RegExp(`^(?:${job})$`).test(job_name)),
      job,
    ).toBe(true)
})

describe('grafana-dashboard.json', () => {
  it.each(targets)('$title: $expr', ({ expr }) => check(expr))

  it('has its variables, which are read from a metric that there is', () => {
    const names = dashboard.templating.list.map(({ name }) => name)
    expect(names).toEqual(['datasource', 'controller', 'worker'])
    const used = [...JSON.stringify(dashboard.panels).matchAll(/\$\{?(\w+)/g)].flatMap(([, name = '']) => (name.startsWith('__') ? [] : [name]))
    for (const name of used) expect(names).toContain(name)
    for (const { definition } of dashboard.templating.list) {
      if (definition === undefined) continue
      const [, metric = '', label = ''] = /^label_values\((\w+)\{[^}]*\}, (\w+)\)$/.exec(definition) ?? []
      expect([familyOf(metric) !== undefined, label], definition).toEqual([true, 'instance'])
    }
    for (const { expr } of dashboard.annotations.list) check(expr)
  })

  it('lays its panels out in rows, each in a place of its own', () => {
    const { panels } = dashboard
    expect(panels.filter(({ type }) => type === 'row').map(({ title }) => title)).toEqual(['Fleet', 'Publishing', 'Delivery', 'Hits', 'Processes'])
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`))
    expect(new Set(cells).size).toBe(cells.length)
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })
})

describe('the metrics', () => {
  it('are named as Prometheus names metrics, with their unit', () => {
    for (const { name, type, unit, help, labels = [] } of families.values()) {
      expect(name).toMatch(/^dcm_[a-z][a-z_]*[a-z]$/)
      expect(help, name).toMatch(/^[A-Z0-9].*\.$/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      const base = name.replace(/_total$/, '')
      expect(/_(?:seconds|bytes|ratio)$/.exec(base)?.[0]?.slice(1), name).toBe(unit)
      expect(name, 'base units only').not.toMatch(/_(?:ms|milliseconds|minutes|hours|mib|kib|percent)(?:_|$)/)
      expect(name, 'suffixes of histograms').not.toMatch(/_(?:bucket|sum|count)$/)
      for (const label of labels) expect(label, name).toMatch(/^[a-z][a-z_]*$/)
      expect(labels, name).not.toContain('le')
    }
  })

  it('have no label whose values grow with the fleet, its hits or its keys', () => {
    const labels = new Set([...families.values()].flatMap((family) => family.labels ?? []))
    expect([...labels].sort()).toEqual(
      [
        'engine',
        'error_class',
        'kind',
        'method',
        'node',
        'outcome',
        'quantile',
        'reason',
        'route',
        'service',
        'state',
        'status',
        'verdict',
        'version',
        'via',
      ].sort(),
    )
  })
})

describe('the reading of PromQL', () => {
  it.each(['sum(rate(x[5m])) by', 'rate(x[5m', 'sum by (a (x)', 'x{a=b}', 'x >', ''])('refuses %j', (expr) => {
    expect(() => check(expr)).toThrow()
  })

  it.each([
    'rate(dcm_no_such_total[5m])',
    'dcm_hit_wait_seconds',
    'dcm_agents_bucket',
    'dcm_agents{host="x"}',
    'sum by (route) (dcm_agents)',
    'dcm_http_requests',
  ])('finds what is not there in %s', (expr) => {
    expect(() => check(expr)).toThrow()
  })
})
