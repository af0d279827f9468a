import { setTimeout as delay } from 'node:timers/promises'
import { type ConfigPair, startConfigPair } from '../support/config-pair.ts'
import { openSide, openSides } from '../support/fleet-side.ts'
import { cpuSeconds, settledMib } from '../support/process-figures.ts'
import type { Bench, Scenario } from '../support/scenario.ts'
import { type Pair, summary } from '../support/stats.ts'

const KIB = 1024
const against = 'bare node:http'

type Row = Awaited<ReturnType<Scenario['run']>>[number]

/** What both servers have resident, at rest, in MiB. */
async function resident(pair: ConfigPair): Promise<Pair | undefined> {
  const [ours, baseline] = await Promise.all([settledMib(pair.controller.pid), settledMib(pair.bare.pid)])
  return ours === undefined || baseline === undefined ? undefined : { ours, baseline }
}

/** Both have compiled and grown what the first followers make them, so that only what each one costs is left. */
async function warmUp(pair: ConfigPair, via: 'stream' | 'wait'): Promise<void> {
  for (const port of [pair.port, pair.barePort]) {
    await using side = await openSide({ port, agents: 300, via })
    await side.fleet.progress()
  }
}

/** CPU time of both over the same while, in percent of a core. */
async function cpuShare(pair: ConfigPair, seconds: number): Promise<Pair | undefined> {
  const used = () => [cpuSeconds(pair.controller.pid), cpuSeconds(pair.bare.pid)]
  const started = performance.now()
  const before = used()
  await delay(seconds * 1000)
  const after = used()
  const elapsed = (performance.now() - started) / 1000
  const [ours, baseline] = after.map((value, index) => ((value ?? Number.NaN) - (before[index] ?? Number.NaN)) / elapsed)
  // In so short a while of a quick run the bare server may have used none that the system counts.
  return ours === undefined || baseline === undefined || Number.isNaN(ours + baseline)
    ? undefined
    : { ours: ours * 100, baseline: Math.max(baseline * 100, 0.01) }
}

/** Opens as many followers on both, and gives what each costs in KiB, and what keeping them costs over so many seconds. */
async function round(
  bench: Bench,
  via: 'stream' | 'wait',
  agents: number,
  watchedSeconds: number,
): Promise<{ readonly memory: Pair | undefined; readonly cpu: Pair | undefined }> {
  await using pair = await startConfigPair(bench.folder())
  await warmUp(pair, via)
  const before = await resident(pair)
  await using _sides = await openSides(pair, { agents, via })
  const after = await resident(pair)
  const cpu = watchedSeconds > 0 ? await cpuShare(pair, watchedSeconds) : undefined
  if (before === undefined || after === undefined) return { memory: undefined, cpu }
  const each = (side: keyof Pair) => ((after[side] - before[side]) * KIB) / agents
  return { memory: { ours: each('ours'), baseline: each('baseline') }, cpu }
}

/** What ten thousand followers cost while nothing is published: memory, and the CPU time of keeping streams alive. */
export const idle: Scenario = {
  name: 'idle',
  async run(bench) {
    const agents = bench.quick ? 2000 : 10_000
    const rows: Row[] = []
    for (const via of ['stream', 'wait'] as const) {
      const measured: Awaited<ReturnType<typeof round>>[] = []
      for (let count = 0; count < (bench.quick ? 1 : 2); count += 1) {
        const watchedSeconds = via === 'wait' || count > 0 ? 0 : bench.quick ? 5 : 30
        measured.push(await round(bench, via, agents, watchedSeconds))
      }
      const memory = measured.flatMap((each) => each.memory ?? [])
      const cpu = measured.flatMap((each) => each.cpu ?? [])
      const name = via === 'stream' ? 'stream' : 'long poll'
      if (memory.length === 0) bench.leaveOut(`memory and CPU time for each idle ${name}: there is no /proc here`)
      else
        rows.push({
          name: `memory for each idle ${name}, of ${agents}`,
          unit: 'KiB',
          ...summary(memory),
          against,
          bound: { kind: 'at most', of: 'ratio', value: 1.25 },
        })
      if (cpu.length > 0)
        rows.push({
          name: `CPU time with ${agents} idle streams`,
          unit: '%',
          ...summary(cpu),
          against: `${against}, same heartbeats`,
          bound: { kind: 'at most', of: 'ours', value: 3 },
        })
    }
    return rows
  },
}
