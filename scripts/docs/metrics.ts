import type { Family } from '#lib/observe/metrics/family.ts'
import { openServices } from './services.ts'

const introduction = `# Metrics

\`GET /metrics\` of each service, without a key: in the text format of Prometheus, or as OpenMetrics 1.0 where \`Accept\`
prefers that. Made from the registries of the services by \`npm run docs\`. Files for Prometheus and Grafana are in
[examples/monitoring](../examples/monitoring); [operations.md](operations.md) says what to look at.

- Names begin with \`dcm_\` and end with their unit: seconds, bytes, or a ratio from 0 to 1. What has no unit is a number.
- Counters end with \`_total\` and begin at 0 with the process. Histograms have \`_bucket\`, \`_sum\` and \`_count\`.
- Labels are bounded, whatever the fleet: no agent, address, URL, destination or key is one. The version of a config is, for at
  most ten at a time, and \`other\`.
- What is not known is absent, not 0. A scrape is answered within a second, whatever is away.
- Where one process runs several services, each has its own \`/metrics\`; the figures of the process are the same in all.`

const table = (families: readonly Family[]): string =>
  [
    '| metric | type | unit | labels | what |',
    '|---|---|---|---|---|',
    ...families.map(
      ({ name, type, unit = '', labels = [], help }) => `| \`${name}\` | ${type} | ${unit} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`,
    ),
  ].join('\n')

/**
 * docs/metrics.md: all metrics by service.
 * @param scratch a folder for what the services want to keep
 */
export async function metricsPage(scratch: string): Promise<string> {
  await using services = await openServices(scratch)
  const { controller, agent, relay, worker } = services
  const has = (families: readonly Family[], name: string) => families.some((family) => family.name === name)
  const isShared = ({ name }: Family) => has(controller.metrics.families, name) && has(agent.metrics.families, name)
  const own = (families: readonly Family[]) => families.filter((family) => !isShared(family))
  const ofRelay = own(relay.metrics.families).filter(({ name }) => !has(agent.metrics.families, name))
  const sections = [
    ['Controller', own(controller.metrics.families)],
    ['Agent', own(agent.metrics.families)],
    ['Agent that is a relay', ofRelay],
    ['Worker', own(worker.metrics.families)],
    ['Every service', worker.metrics.families.filter(isShared)],
  ] as const
  return `${introduction}\n\n${sections.map(([title, families]) => `## ${title}\n\n${table(families)}\n`).join('\n')}`
}
