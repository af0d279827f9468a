import { monotonicMs } from '../support/monotonic.ts'
import { configData } from '../support/payloads.ts'
import { type Findings, Fleet } from './fleet.ts'
import { type Bucket, bucketsOf, type Spread, spreadOf } from './histogram.ts'
import type { SimulatorOptions } from './options.ts'
import { withProgress } from './progress.ts'
import { forbidden } from './tally.ts'
import type { Tree } from './tree.ts'

/** How long agents may take where something was lost: the guarantee, in ms. */
const DISTURBED_MS = 35_000
/** How long to wait for agents before they are given up, in ms. */
const PATIENCE_MS = 60_000

/** One publish, or all of them. */
export interface Propagation {
  readonly version?: number
  readonly missing: number
  readonly spread: Spread | undefined
  readonly histogram: readonly Bucket[]
}

/** All that a run found. */
export interface Outcome {
  /** Until each agent followed, in ms. */
  readonly opened_in_ms: number
  readonly publishes: readonly Propagation[]
  readonly overall: Propagation
  readonly restart?: { readonly following_again_in_ms: Spread | undefined; readonly missing: number }
  readonly reports_taken?: number
  readonly findings: Findings
  /** What makes the run a failure; nothing where all is well. */
  readonly failures: readonly string[]
}

/** What was started for a fleet. */
type Servers = Pick<Tree, 'controllerUrl' | 'leafUrls' | 'restart'>

const propagation = (latencies: readonly number[], missing: number): Propagation => ({
  missing,
  spread: latencies.length === 0 ? undefined : spreadOf(latencies),
  histogram: bucketsOf(latencies),
})

/** What is published: about as large as was asked for, another each time. */
export const dataOf = (bytes: number, publish: number): Readonly<Record<string, unknown>> => {
  const data = { ...configData, publish }
  const missing = bytes - JSON.stringify(data).length - ',"filling":""'.length
  return missing > 0 ? { ...data, filling: 'x'.repeat(missing) } : data
}

/**
 * Runs a fleet: opens it, publishes, kills the controller halfway where that was asked for, and looks through all histories.
 * @param tree what was started for it; undefined where the controller is somebody else's
 * @param say told what happens, as it happens
 */
export async function simulate(options: SimulatorOptions, tree: Servers | undefined, say: (line: string, round?: Propagation) => void): Promise<Outcome> {
  const { agents, via, publishes, interval, bytes } = options
  const controllerUrl = tree?.controllerUrl ?? options.controller ?? ''
  const neverRead = Math.round((agents * options['never-read']) / 100)
  await using fleet = new Fleet({
    ...{ urls: tree?.leafUrls ?? [controllerUrl], controllerUrl, apiKey: options['api-key'], agents, via, neverRead },
    ...{ processes: options.processes, report: options.report, intervalSeconds: interval },
  })
  const readers = agents - neverRead
  const undisturbedMs = options.within + (via === 'poll' ? interval * 1000 : 0)
  const disturbedMs = Math.max(DISTURBED_MS, interval * 1000)

  const openedAt = performance.now()
  await withProgress('following', agents, async () => (await fleet.progress()).following, fleet.open())
  const openedInMs = performance.now() - openedAt
  say(`${agents} agents follow by ${via}${neverRead > 0 ? `, ${neverRead} of them never read` : ''}, after ${(openedInMs / 1000).toFixed(1)} s`)

  const rounds: Propagation[] = []
  const all: number[] = []
  const publish = async (number: number) => {
    const publishing = fleet.publish(dataOf(bytes, number), PATIENCE_MS + interval * 1000)
    const { version, latencies_ms, missing } = await withProgress(`publish ${number}`, readers, async () => (await fleet.progress()).holders, publishing)
    for (const latency of latencies_ms) all.push(latency)
    const round = { version, ...propagation(latencies_ms, missing) }
    rounds.push(round)
    // As far apart as publishes are in life: the reports of one are not held up by the next.
    if (options.report) await fleet.reported()
    say(`publish ${number}, version ${version}${missing > 0 ? `, ${missing} agents did not get it` : ''}`, round)
  }
  const followAgain = async (killedAt: number): Promise<Outcome['restart']> => {
    const following = fleet.followed(killedAt, PATIENCE_MS)
    const { after_ms, missing } = await withProgress('following again', agents, async () => (await fleet.progress()).following, following)
    say(`following again, since the controller was killed`, propagation(after_ms, missing))
    return { following_again_in_ms: after_ms.length === 0 ? undefined : spreadOf(after_ms), missing }
  }
  const half = options.restart ? Math.ceil(publishes / 2) : publishes
  for (let number = 1; number <= half; number += 1) await publish(number)

  let restart: Outcome['restart']
  if (options.restart && tree) {
    const killedAt = monotonicMs()
    await tree.restart()
    say(`the controller was killed, and is back after ${(monotonicMs() - killedAt).toFixed(0)} ms`)
    // Agents below relays lose nothing, and have nothing to come back to: that they get what is published next says it all.
    if (options.relays === 0) restart = await followAgain(killedAt)
    for (let number = half + 1; number <= publishes; number += 1) await publish(number)
  }
  const reportsTaken = options.report ? await fleet.reported() : undefined
  const findings = await fleet.check({ undisturbed_ms: undisturbedMs, disturbed_ms: disturbedMs, every_version: via !== 'poll' })
  const failures = [
    ...(findings.broken > 0 ? [`${findings.broken} agents broke a guarantee`] : []),
    ...findings.faults,
    ...forbidden(findings.counts).map((what) => `answers that a controller must not give: ${what}`),
    ...(restart !== undefined && restart.missing > 0 ? [`${restart.missing} agents do not follow again after ${PATIENCE_MS / 1000} s`] : []),
  ]
  return {
    opened_in_ms: openedInMs,
    publishes: rounds,
    overall: propagation(
      all,
      rounds.reduce((sum, { missing }) => sum + missing, 0),
    ),
    ...(restart === undefined ? {} : { restart }),
    ...(reportsTaken === undefined ? {} : { reports_taken: reportsTaken }),
    findings,
    failures,
  }
}
