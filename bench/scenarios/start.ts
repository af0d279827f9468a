import { setTimeout as delay } from 'node:timers/promises'
import { residentMib } from '../support/process-figures.ts'
import type { Bench, Scenario } from '../support/scenario.ts'
import { commandOf, Service, startService } from '../support/service.ts'
import { type Pair, summary } from '../support/stats.ts'

/** One way to start something. */
interface Start {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly services: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** ms to ready, at most. */
  readonly readyWithin?: number
  /** MiB when idle, at most; `unbounded` is measured only, and where absent npm stands between. */
  readonly memory?: number | 'unbounded'
}

const node = process.execPath
const bare: Start = { name: 'bare', command: [node, 'bench/children/bare-service.mjs'], services: ['bare'], env: {} }

/** All the ways, each service alone first. */
function starts(bench: Bench, controllerUrl: string): Start[] {
  const embedded = { HIT_QUEUE: 'embedded' }
  const alone = { memory: 100 }
  const together = { services: ['controller', 'agent', 'worker'], env: embedded, readyWithin: 1500 }
  const { redis } = bench
  if (redis === undefined) bench.leaveOut('start and memory of a worker on Redis: redis-server is not installed')
  return [
    { name: 'controller', command: commandOf('controller'), services: ['controller'], env: {}, ...alone },
    { name: 'agent', command: commandOf('agent'), services: ['agent'], env: { CONTROLLER_URL: controllerUrl }, ...alone },
    { name: 'worker, embedded', command: commandOf('worker'), services: ['worker'], env: embedded, ...alone },
    ...(redis === undefined
      ? []
      : [
          {
            name: 'worker, redis',
            command: commandOf('worker'),
            services: ['worker'],
            env: { HIT_QUEUE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) },
            ...alone,
          },
        ]),
    { name: 'all in one process', command: commandOf('start'), ...together, memory: 'unbounded' },
    { name: 'npm start', command: ['npm', 'start'], ...together },
  ]
}

/** Starts it with an empty folder. */
const launch = (bench: Bench, { command, services, env }: Start): Service => new Service(command, services, { DATA_DIR: bench.folder(), ...env })

async function timeToReady(bench: Bench, start: Start): Promise<number> {
  await using service = launch(bench, start)
  // Awaited here: the service must not end before it is ready.
  return await service.ready()
}

/** Resident memory of all of them side by side after a pause, in MiB; undefined where it cannot be read. */
async function idleMemory(bench: Bench, all: readonly Start[]): Promise<(number | undefined)[]> {
  await using stack = new AsyncDisposableStack()
  const services = all.map((start) => stack.use(launch(bench, start)))
  await Promise.all(services.map((service) => service.ready()))
  await delay(bench.quick ? 1500 : 5000)
  return services.map(({ pid }) => residentMib(pid))
}

/** Starting from the bundles, and what lies in memory when nothing happens. */
export const start: Scenario = {
  name: 'start',
  async run(bench) {
    await using controller = await startService('controller', { DATA_DIR: bench.folder() })
    const ways = starts(bench, `http://127.0.0.1:${controller.port('controller')}`)
    const against = 'bare node:http'
    const ready: Awaited<ReturnType<Scenario['run']>> = []
    for (const way of ways) {
      const pairs: Pair[] = []
      for (let round = 0; round < (bench.quick ? 2 : 5); round += 1)
        pairs.push({ ours: await timeToReady(bench, way), baseline: await timeToReady(bench, bare) })
      const bound = way.readyWithin === undefined ? {} : { bound: { kind: 'at most', of: 'ours', value: way.readyWithin } as const }
      ready.push({ name: `ready, ${way.name}`, unit: 'ms', ...summary(pairs), against, ...bound })
    }
    const measured = ways.filter(({ memory }) => memory !== undefined)
    const [baseline, ...ours] = await idleMemory(bench, [bare, ...measured])
    if (baseline === undefined) bench.leaveOut('idle memory: there is no /proc here')
    const memory = measured.flatMap((way, index) => {
      const mib = ours[index]
      if (mib === undefined || baseline === undefined) return []
      const bound = typeof way.memory === 'number' ? { bound: { kind: 'at most', of: 'ours', value: way.memory } as const } : {}
      return [{ name: `idle memory, ${way.name}`, unit: 'MiB' as const, ...summary([{ ours: mib, baseline }]), against, ...bound }]
    })
    return [...ready, ...memory]
  },
}
