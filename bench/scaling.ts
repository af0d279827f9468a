// npm run scaling: measures fleets of all sizes, and puts the tables into docs/scaling.md.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Spread, spreadOf } from './fleet/histogram.ts'
import { readOptions } from './fleet/options.ts'
import { simulate } from './fleet/simulate.ts'
import { startTree } from './fleet/tree.ts'
import { describeMachine, makeRunFolder } from './support/machine.ts'
import { cpuSeconds, settledMib } from './support/process-figures.ts'
import { root } from './support/service.ts'

/** One fleet: how many agents, how they follow, over how many relays in how many tiers. */
interface Size {
  readonly agents: number
  readonly via: 'stream' | 'wait' | 'poll'
  readonly relays: number
  readonly tiers: number
}

/** What one fleet took. */
interface Measured extends Size {
  readonly opened_in_ms: number
  readonly spread: Spread
  readonly controller_mib: number | undefined
  /** CPU time of the controller for each publish, in ms. */
  readonly controller_cpu_ms: number | undefined
}

const direct = (['stream', 'wait'] as const).flatMap((via) =>
  [1, 100, 1000, 5000, 10_000, 18_000].map((agents): Size => ({ agents, via, relays: 0, tiers: 0 })),
)
const tree: readonly Size[] = [
  { agents: 10_000, via: 'stream', relays: 1, tiers: 1 },
  { agents: 10_000, via: 'stream', relays: 2, tiers: 2 },
  { agents: 10_000, via: 'stream', relays: 3, tiers: 3 },
  { agents: 20_000, via: 'stream', relays: 4, tiers: 1 },
  { agents: 20_000, via: 'wait', relays: 4, tiers: 1 },
  { agents: 36_000, via: 'stream', relays: 4, tiers: 1 },
]

/** Runs one fleet on a controller of its own. */
async function measure(size: Size, folder: string): Promise<Measured> {
  const args = ['--agents', size.agents, '--via', size.via, '--publishes', 7, '--within', 5000, '--processes', Math.ceil(size.agents / 5000)]
  const options = readOptions([...args, ...(size.relays > 0 ? ['--relays', size.relays, '--tiers', size.tiers] : [])].map(String))
  await using servers = await startTree(mkdtempSync(join(folder, 'fleet-')), options)
  const { pid } = servers.controller
  let atOpening: { readonly cpu: number | undefined } | undefined
  const outcome = await simulate(options, servers, (line) => {
    process.stderr.write(`  ${line}\n`)
    atOpening ??= { cpu: cpuSeconds(pid) }
  })
  if (outcome.failures.length > 0) throw new Error(`${JSON.stringify(size)}: ${outcome.failures.join('; ')}`)
  const spent = cpuSeconds(pid)
  // The first two warm it up.
  const warm = outcome.publishes.slice(2).flatMap(({ spread }) => (spread ? [spread] : []))
  const median = (of: (spread: Spread) => number) => spreadOf(warm.map(of)).p50
  return {
    ...size,
    opened_in_ms: outcome.opened_in_ms,
    spread: { count: size.agents, p50: median(({ p50 }) => p50), p90: median(({ p90 }) => p90), p99: median(({ p99 }) => p99), max: median(({ max }) => max) },
    controller_mib: await settledMib(pid),
    controller_cpu_ms: atOpening?.cpu === undefined || spent === undefined ? undefined : ((spent - atOpening.cpu) * 1000) / outcome.publishes.length,
  }
}

const ms = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1))
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const figures = ({ spread }: Measured): string[] => [ms(spread.p50), ms(spread.p99), ms(spread.max)]

const directTable = (rows: readonly Measured[]): string =>
  [
    line(['agents', 'follow by', 'p50 ms', 'p99 ms', 'last ms', 'all follow after', 'controller, resident', 'its CPU a publish']),
    line(['---:', '---', '---:', '---:', '---:', '---:', '---:', '---:']),
    ...rows.map((row) =>
      line([
        row.agents.toLocaleString('en-US'),
        row.via === 'wait' ? 'long poll' : row.via,
        ...figures(row),
        `${(row.opened_in_ms / 1000).toFixed(1)} s`,
        row.controller_mib === undefined ? '' : `${row.controller_mib.toFixed(0)} MiB`,
        row.controller_cpu_ms === undefined ? '' : `${row.controller_cpu_ms.toFixed(0)} ms`,
      ]),
    ),
  ].join('\n')

const treeTable = (rows: readonly Measured[]): string =>
  [
    line(['agents', 'follow by', 'relays', 'tiers', 'p50 ms', 'p99 ms', 'last ms', 'controller, resident']),
    line(['---:', '---', '---:', '---:', '---:', '---:', '---:', '---:']),
    ...rows.map((row) =>
      line([
        row.agents.toLocaleString('en-US'),
        row.via === 'wait' ? 'long poll' : row.via,
        String(row.relays),
        String(row.tiers),
        ...figures(row),
        row.controller_mib === undefined ? '' : `${row.controller_mib.toFixed(0)} MiB`,
      ]),
    ),
  ].join('\n')

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const built = spawnSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' })
if (built.status !== 0) throw new Error('Cannot measure: the build failed')
const folder = makeRunFolder()
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

const measureAll = async (sizes: readonly Size[]): Promise<Measured[]> => {
  const rows: Measured[] = []
  for (const size of sizes) {
    process.stderr.write(`${size.agents} agents by ${size.via}${size.relays > 0 ? ` over ${size.relays} relays in ${size.tiers} tiers` : ''}\n`)
    rows.push(await measure(size, folder))
  }
  return rows
}
const tables = { direct: directTable(await measureAll(direct)), relays: treeTable(await measureAll(tree)) }

const machine = describeMachine(folder)
const where = `Measured ${new Date().toISOString().slice(0, 10)} on ${machine.cpu}, ${machine.cores} cores, ${machine.memory_gib} GiB; ${machine.os}; Node.js ${machine.node}; controller, relays and agents on this one machine.`
const docs = join(root, 'docs', 'scaling.md')
let text = readFileSync(docs, 'utf8')
for (const [name, table] of Object.entries(tables)) {
  const block = new RegExp(`<!-- ${name} -->[\\s\\S]*?<!-- /${name} -->`)
  if (!block.test(text)) throw new Error(`Cannot write the tables: docs/scaling.md has no place for ${name}`)
  text = text.replace(block, () => `<!-- ${name} -->\n${where}\n\n${table}\n<!-- /${name} -->`)
}
writeFileSync(docs, text)
