import { Distribution, quickSeconds } from './distribution.ts'
import type { Family, Sample, Spread } from './family.ts'

/** The label of what no route took: any path at all may be asked for. */
export const OTHER = 'other'

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** What is counted of one method of one route. */
class Slot {
  readonly statuses = new Map<number, number>()
  readonly seconds = new Distribution(quickSeconds)
}

/**
 * Counts answers by route pattern, method and status, and how long they took. Called for every request: two looks into
 * small maps and a few additions. (Measured beside a controller that does not count: docs/performance.md.)
 */
export class RequestCounts {
  readonly #routes = new Map<string, Map<string, Slot>>()
  readonly #known: ReadonlySet<string>

  /** @param lanes paths that are answered before the app, each a route's pattern */
  constructor(lanes: readonly string[] = []) {
    this.#known = new Set(lanes)
  }

  /** The label of a request that the app has not routed. */
  routeOf(url: string): string {
    const query = url.indexOf('?')
    const path = query === -1 ? url : url.slice(0, query)
    return this.#known.has(path) ? path : OTHER
  }

  /**
   * Counts an answer.
   * @param route its pattern, as `/agents/:id`
   * @param ms from the request's arrival to the beginning of its answer; undefined where it was held
   */
  answered(route: string, method: string, status: number, ms: number | undefined): void {
    const slot = this.#slot(route, methods.has(method) ? method : OTHER)
    slot.statuses.set(status, (slot.statuses.get(status) ?? 0) + 1)
    if (ms !== undefined) slot.seconds.observe(ms / 1000)
  }

  /** Counts what the parser refused: it never became a request. */
  refused(status: number): void {
    this.answered(OTHER, OTHER, status, undefined)
  }

  /** What is told of them. */
  get families(): readonly Family[] {
    return [
      {
        name: 'dcm_http_requests_total',
        type: 'counter',
        help: 'Requests that were answered, by the pattern of the route (`other` where none took it), method and status; a stream counts when it begins.',
        labels: ['route', 'method', 'status'],
        read: () =>
          this.#all((labels, { statuses }): Sample[] => [...statuses].map(([status, value]) => ({ labels: { ...labels, status: String(status) }, value }))),
      },
      {
        name: 'dcm_http_request_duration_seconds',
        type: 'histogram',
        unit: 'seconds',
        help: 'From the arrival of a request to the beginning of its answer; without held long polls and streams.',
        labels: ['route', 'method'],
        bounds: quickSeconds,
        read: () => this.#all((labels, { seconds }): Spread[] => (seconds.counts.some((count) => count > 0) ? [{ labels, of: seconds }] : [])),
      },
    ]
  }

  #slot(route: string, method: string): Slot {
    const known = this.#routes.get(route)?.get(method)
    if (known !== undefined) return known
    const slot = new Slot()
    const byMethod = this.#routes.get(route) ?? new Map<string, Slot>()
    this.#routes.set(route, byMethod.set(method, slot))
    return slot
  }

  #all<T>(read: (labels: { readonly route: string; readonly method: string }, slot: Slot) => readonly T[]): T[] {
    return [...this.#routes].flatMap(([route, byMethod]) => [...byMethod].flatMap(([method, slot]) => read({ route, method }, slot)))
  }
}
