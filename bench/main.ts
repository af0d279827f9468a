// npm run bench [-- scenario …] [-- --quick] [-- --check] [-- --write-docs]; docs/performance.md says what each row means.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { backlog } from './scenarios/backlog.ts'
import { console_ } from './scenarios/console.ts'
import { counting } from './scenarios/counting.ts'
import { dead } from './scenarios/dead.ts'
import { enqueue } from './scenarios/enqueue.ts'
import { etcd } from './scenarios/etcd.ts'
import { follow } from './scenarios/follow.ts'
import { hits } from './scenarios/hits.ts'
import { idle } from './scenarios/idle.ts'
import { killed } from './scenarios/killed.ts'
import { large } from './scenarios/large.ts'
import { outage } from './scenarios/outage.ts'
import { publish } from './scenarios/publish.ts'
import { read } from './scenarios/read.ts'
import { relays } from './scenarios/relays.ts'
import { slow } from './scenarios/slow.ts'
import { start } from './scenarios/start.ts'
import { waits } from './scenarios/waits.ts'
import { watchers } from './scenarios/watchers.ts'
import { machineLine, writeDocs } from './support/docs.ts'
import { type Figure, keepsBound, type Results } from './support/figures.ts'
import { describeMachine, makeRunFolder } from './support/machine.ts'
import { BenchRedis, redisVersion } from './support/redis.ts'
import type { Scenario } from './support/scenario.ts'
import { root } from './support/service.ts'
import { textTable } from './support/table.ts'

const scenarios: readonly Scenario[] = [
  read,
  counting,
  publish,
  watchers,
  follow,
  idle,
  large,
  slow,
  outage,
  relays,
  etcd,
  enqueue,
  hits,
  waits,
  backlog,
  dead,
  killed,
  start,
  console_,
]
const results = join(root, 'bench', 'results')
const record = join(results, 'latest.json')

/** The scenarios that were named, all where none was. */
function chosen(names: readonly string[]): readonly Scenario[] {
  const unknown = names.find((name) => !scenarios.some((scenario) => scenario.name === name))
  if (unknown !== undefined) throw new Error(`There is no scenario ${JSON.stringify(unknown)}; there are ${scenarios.map(({ name }) => name).join(', ')}`)
  return names.length === 0 ? scenarios : scenarios.filter(({ name }) => names.includes(name))
}

/** Runs scenarios one after the other; what they start ends with them. */
async function measure(toRun: readonly Scenario[], quick: boolean): Promise<Results> {
  const folder = makeRunFolder()
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const leftOut = new Set<string>()
  const figures: Figure[] = []
  const makeFolder = () => mkdtempSync(join(folder, 'data-'))
  await using redis = redisVersion() === undefined ? undefined : await BenchRedis.start(makeFolder())
  for (const scenario of toRun) {
    const startedAt = performance.now()
    process.stderr.write(`${scenario.name} … `)
    const rows = await scenario.run({ quick, redis, folder: makeFolder, leaveOut: (what) => leftOut.add(what) })
    process.stderr.write(`${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`)
    figures.push(...rows.map((row) => ({ scenario: scenario.name, ...row })))
  }
  return { at: new Date().toISOString(), quick, machine: describeMachine(folder), figures, left_out: [...leftOut] }
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Fewer and shorter rounds, for a look. */
    quick: { type: 'boolean', default: false },
    /** Exit 1 where a bound is not kept. */
    check: { type: 'boolean', default: false },
    /** Measures nothing: puts the recorded figures into docs/performance.md. */
    'write-docs': { type: 'boolean', default: false },
  },
})

// Ends what was started, by the exit listeners.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

if (options['write-docs']) {
  writeDocs(record, join(root, 'docs', 'performance.md'))
} else {
  const toRun = chosen(positionals)
  const built = spawnSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' })
  if (built.status !== 0) throw new Error('Cannot measure: the build failed')
  const measured = await measure(toRun, options.quick)
  process.stdout.write(`\n${machineLine(measured)}\n\n${textTable(measured.figures)}\n${measured.left_out.map((what) => `left out: ${what}\n`).join('')}`)
  // Only a whole run is a record.
  const whole = toRun.length === scenarios.length && !options.quick
  mkdirSync(results, { recursive: true })
  writeFileSync(whole ? record : join(results, 'partial.json'), `${JSON.stringify(measured, null, 2)}\n`)
  const missed = measured.figures.filter((figure) => keepsBound(figure) === false)
  if (options.check && missed.length > 0) {
    process.stderr.write(`bound not kept: ${missed.map(({ name }) => name).join('; ')}\n`)
    process.exitCode = 1
  }
}
