import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { memoryUsage } from 'node:process'
import { VERSION } from '../../runtime/version.ts'
import { each, type Family, one, type Sample } from './family.ts'

/**
 * How often the event loop's delay is sampled, in ms. Each sample wakes an idle process (measured, of one core: 0.06 %
 * at 100 ms, 0.31 % at 10 ms).
 */
const RESOLUTION_MS = 100

const quantiles = [0.5, 0.9, 0.99] as const

/** How late timers of this process are. Sampled from the first look on: who is never asked pays nothing. */
class EventLoopLag {
  #delays: ReturnType<typeof monitorEventLoopDelay> | undefined

  /** By quantile, since the last look; nothing at the first. */
  read(): readonly Sample[] {
    if (this.#delays === undefined) {
      this.#delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
      this.#delays.enable()
      return []
    }
    const delays = this.#delays
    if (delays.count === 0) return []
    // What is recorded is the time between two samples, the wanted one included.
    const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS) / 1000
    const samples = quantiles.map((quantile) => ({ labels: { quantile: String(quantile) }, value: seconds(delays.percentile(quantile * 100)) }))
    const all = [...samples, { labels: { quantile: '1' }, value: seconds(delays.max) }]
    delays.reset()
    return all
  }

  close(): void {
    this.#delays?.disable()
  }
}

/** Open descriptors; undefined where there is no /proc. */
function openDescriptors(): number | undefined {
  try {
    // Without the one that reads the folder.
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return undefined
  }
}

/**
 * What every service tells of its process. Read by ourselves under the names of prom-client's default metrics: those
 * sample the event loop every 10 ms and observe each garbage collection in every service of a process, asked or not, and
 * cannot be ended.
 * @param service as it names itself
 */
export function processFamilies(service: string): { readonly families: readonly Family[]; close(): void } {
  const lag = new EventLoopLag()
  const startedAt = Math.round(performance.timeOrigin) / 1000
  const families: readonly Family[] = [
    {
      name: 'dcm_service_info',
      type: 'gauge',
      help: 'Always 1: the service and its version, and the version of Node.js.',
      labels: ['service', 'version', 'node'],
      read: () => [{ labels: { service, version: VERSION, node: process.versions.node }, value: 1 }],
    },
    {
      name: 'dcm_process_start_time_seconds',
      type: 'gauge',
      unit: 'seconds',
      help: 'When the process was started, since the epoch.',
      read: () => one(startedAt),
    },
    {
      name: 'dcm_process_cpu_seconds_total',
      type: 'counter',
      unit: 'seconds',
      help: 'CPU time of the process, user and system.',
      read: () => {
        const { user, system } = process.cpuUsage()
        return one((user + system) / 1e6)
      },
    },
    { name: 'dcm_process_resident_memory_bytes', type: 'gauge', unit: 'bytes', help: 'Resident memory of the process.', read: () => one(memoryUsage.rss()) },
    {
      name: 'dcm_nodejs_memory_bytes',
      type: 'gauge',
      unit: 'bytes',
      help: 'Memory of JavaScript: the heap that is used, the heap there is, buffers, and what is bound to objects outside of it.',
      labels: ['kind'],
      read: () => {
        const { heapUsed, heapTotal, external, arrayBuffers } = memoryUsage()
        return each('kind', { heap_used: heapUsed, heap_total: heapTotal, external, array_buffers: arrayBuffers })
      },
    },
    {
      name: 'dcm_process_open_fds',
      type: 'gauge',
      help: 'Open file descriptors; absent where there is no /proc.',
      read: () => one(openDescriptors()),
    },
    {
      name: 'dcm_event_loop_seconds_total',
      type: 'counter',
      unit: 'seconds',
      help: 'Time that the event loop has been active, and idle: the rate of active is its utilisation.',
      labels: ['state'],
      read: () => {
        const { active, idle } = performance.eventLoopUtilization()
        return each('state', { active: active / 1000, idle: idle / 1000 })
      },
    },
    {
      name: 'dcm_event_loop_lag_seconds',
      type: 'gauge',
      unit: 'seconds',
      help: 'How late timers were since the scrape before, by quantile; 1 is the latest. Absent at the first scrape.',
      labels: ['quantile'],
      read: () => lag.read(),
    },
  ]
  return { families, close: () => lag.close() }
}
