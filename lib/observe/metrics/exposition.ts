import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from 'prom-client'
import type { Family, Sample, Spread } from './family.ts'

/** The two forms in which metrics are told: Prometheus' own text, and OpenMetrics 1.0. */
export type Format = 'text' | 'openmetrics'

/** A scrape's body, and its Content-Type. */
export interface Exposition {
  readonly type: string
  readonly text: string
}

/** What a family had to say at one moment. */
interface Reading {
  readonly family: Family
  readonly samples: readonly Sample[]
  readonly spreads: readonly Spread[]
}

/** How long one family may take to be read, in ms: a scrape is answered within a second, whatever is away. */
const READ_MS = 800

/** Resolves with what a family says; with nothing where it fails or takes too long. */
async function readingOf(family: Family, onError: (name: string, error: unknown) => void): Promise<Reading> {
  let timer: NodeJS.Timeout | undefined
  try {
    if (family.type === 'histogram') return { family, samples: [], spreads: family.read() }
    const read = family.read()
    if (!(read instanceof Promise)) return { family, samples: read, spreads: [] }
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`it was not read within ${READ_MS} ms`)), READ_MS)
    })
    return { family, samples: await Promise.race([read, late]), spreads: [] }
  } catch (error) {
    onError(family.name, error)
    return { family, samples: [], spreads: [] }
  } finally {
    clearTimeout(timer)
  }
}

/** The values of a histogram as prom-client writes them: each class with all below it. */
function bucketsOf(name: string, { labels = {}, of }: Spread) {
  let below = 0
  const upTo = (le: string, count: number) => {
    below += count
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below }
  }
  const buckets = [...of.counts].map((count, at) => upTo(String(of.bounds[at] ?? '+Inf'), count))
  return [...buckets, { metricName: `${name}_sum`, labels, value: of.sum }, { metricName: `${name}_count`, labels, value: below }]
}

/** prom-client's histogram with counts that were made elsewhere; its own takes values one by one. */
class Counted extends Histogram {
  readonly #told: object
  constructor(config: ConstructorParameters<typeof Histogram<string>>[0], spreads: readonly Spread[]) {
    super(config)
    const { name, help } = config
    this.#told = { name, help, type: 'histogram', values: spreads.flatMap((spread) => bucketsOf(name, spread)) }
  }
  async getForPromString() {
    return this.#told
  }
}

/**
 * Writes what families say at this moment, by prom-client, with a registry for this one answer: nothing is counted in it,
 * so that the paths that count pay for no client, and one of its registries cannot write both forms (writing OpenMetrics
 * takes `_total` off its counters for good).
 * @param onError told of a family that could not be read; it is left out
 */
export async function expose(families: readonly Family[], format: Format, onError: (name: string, error: unknown) => void): Promise<Exposition> {
  const readings = await Promise.all(families.map((family) => readingOf(family, onError)))
  const inOpenmetrics = new Registry<OpenMetricsContentType>()
  inOpenmetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const registry = format === 'text' ? new Registry() : inOpenmetrics
  for (const { family, samples, spreads } of readings) {
    if (samples.length + spreads.length === 0) continue
    const described = { name: family.name, help: family.help, labelNames: [...(family.labels ?? [])], registers: [registry] }
    if (family.type === 'histogram') new Counted({ ...described, buckets: [...family.bounds] }, spreads)
    else if (family.type === 'counter') {
      const counter = new Counter(described)
      for (const { labels = {}, value } of samples) counter.inc(labels, value)
    } else {
      const gauge = new Gauge(described)
      for (const { labels = {}, value } of samples) gauge.set(labels, value)
    }
  }
  return { type: registry.contentType, text: await registry.metrics() }
}
