// npm run fleet -- --agents 10000 --via stream: simulates a fleet over real HTTP; docs/performance.md says how to read it.
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { describeMachine, makeRunFolder } from '../support/machine.ts'
import { root } from '../support/service.ts'
import { histogramText, spreadText } from './histogram.ts'
import { filesProblem, openFilesLimit } from './limits.ts'
import { readOptions, type SimulatorOptions, UsageError, usage } from './options.ts'
import { type Outcome, type Propagation, simulate } from './simulate.ts'
import { startTree, tierSizes } from './tree.ts'

const write = (text: string) => void process.stdout.write(`${text}\n`)

/** Says what happens, and the figures that go with it. */
function say(line: string, figures?: Propagation): void {
  write(`${line}${figures?.spread ? `: ${spreadText(figures.spread)}` : ''}`)
  if (figures?.spread) write(histogramText(figures.histogram))
}

/** Says what came out at the end. */
function sum({ overall, findings, failures, reports_taken }: Outcome): void {
  say('\nall publishes', overall)
  write(
    `\ncounts: ${Object.entries(findings.counts)
      .map(([name, count]) => `${name} × ${count}`)
      .join(', ')}`,
  )
  if (reports_taken !== undefined) write(`reports taken: ${reports_taken}`)
  for (const { agent, problems } of findings.named) write(`${agent}: ${problems.join('; ')}`)
  write(failures.length === 0 ? 'guarantees 2 and 3 hold for every agent' : `FAILED: ${failures.join('; ')}`)
}

/**
 * Looks whether a controller that somebody else started answers to the key.
 * @throws UsageError which says why not: a fleet would try for ever
 */
async function lookAt(url: string, apiKey: string): Promise<void> {
  const wanted = 'start one there, or name another by --controller'
  const answer = await fetch(`${url}/config`, { headers: { 'X-API-Key': apiKey }, signal: AbortSignal.timeout(10_000) }).catch((error: unknown) => {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
    throw new UsageError(`Cannot reach a controller at ${url}: ${reason}; ${wanted}`)
  })
  if (answer.status === 401 || answer.status === 403) throw new UsageError(`The controller at ${url} refuses the key (${answer.status}); give it by --api-key`)
  if (answer.status !== 200 && answer.status !== 404) throw new UsageError(`What is at ${url} answers ${answer.status} and is no controller; ${wanted}`)
}

/** Starts what is needed, runs, and ends it. */
async function run(options: SimulatorOptions, folder: string): Promise<Outcome> {
  const servers = tierSizes(options.relays, options.tiers).at(-1) ?? 1
  const problem = filesProblem(options.agents, Math.max(options.processes, servers), servers, openFilesLimit())
  if (problem !== undefined) throw new UsageError(problem)
  if (options.controller !== undefined) {
    await lookAt(options.controller, options['api-key'])
    return simulate(options, undefined, say)
  }
  const built = spawnSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' })
  if (built.status !== 0) throw new Error('Cannot start a controller: the build failed')
  await using tree = await startTree(folder, options)
  // Awaited here: the tree must not end before the run has.
  return await simulate(options, tree, say)
}

// What was started ends by the exit listeners, and children with their channel.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

try {
  const args = process.argv.slice(2)
  if (args.includes('--help')) write(usage)
  else {
    const options = readOptions(args)
    const folder = makeRunFolder()
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    const outcome = await run(options, folder)
    sum(outcome)
    const { 'api-key': _key, ...shown } = options
    if (options.json !== undefined)
      writeFileSync(
        options.json,
        `${JSON.stringify({ at: new Date().toISOString(), machine: describeMachine(folder), options: shown, ...outcome }, null, 2)}\n`,
      )
    process.exitCode = outcome.failures.length > 0 ? 1 : 0
  }
} catch (error) {
  if (error instanceof UsageError) process.stderr.write(`${error.message}\n\n${usage}`)
  else process.stderr.write(`The run was given up: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(error instanceof UsageError ? 64 : 1)
}
