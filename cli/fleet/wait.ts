import { setTimeout as sleep } from 'node:timers/promises'
import { type FleetStatus, FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { AgentsPageSchema, type FleetState } from '#lib/contract/inventory.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { Bar } from '../output/bar.ts'
import { safe } from '../output/safe.ts'

/** How often it is looked, in ms. */
const LOOK_MS = 200
/** How many agents are named. */
const NAMED = 20
/** For how long agents may still be on their way, in ms, before it is said that nobody is there. */
const COMING_MS = 1000

/** An agent that is named. */
export interface NamedAgent {
  readonly agent_id: string
  readonly hostname: string
  readonly error?: string
}

/** How a publish ended on the fleet. */
export interface Converged {
  readonly outcome: 'converged' | 'failed' | 'timeout' | 'no_agents' | 'superseded' | 'interrupted'
  /** Online agents that report, and how many of them applied and refused it. */
  readonly reporting: number
  readonly applied: number
  readonly failed: number
  /** Those that failed, with their reasons; the first twenty. */
  readonly failed_agents: readonly NamedAgent[]
  /** Online agents that cannot report, as Go agents; they do not count. */
  readonly not_reporting: number
  readonly not_reporting_agents: readonly NamedAgent[]
  readonly latest_version: number | null
  /** How long was waited. */
  readonly took_ms: number
  /** From the publish until the last had applied it, as the controller saw it. */
  readonly converged_in_ms?: number
  /** Why the controller could not be asked last, where it could not. */
  readonly away?: string
}

type Count = Pick<Converged, 'reporting' | 'applied' | 'failed' | 'not_reporting' | 'latest_version' | 'converged_in_ms'>

const countOf = ({ agents, latest_version, last_publish }: FleetStatus): Count => ({
  reporting: agents.reporting,
  applied: agents.by_state.applied ?? 0,
  failed: agents.by_state.failed ?? 0,
  not_reporting: agents.online - agents.reporting,
  latest_version,
  ...(last_publish?.converged_in_ms === undefined ? {} : { converged_in_ms: last_publish.converged_in_ms }),
})

/** How it stands; undefined while it is under way. */
function outcomeOf(count: Count, version: number, tookMs: number, timeoutMs: number): Converged['outcome'] | undefined {
  const latest = count.latest_version ?? 0
  if (latest > version) return 'superseded'
  if (latest === version) {
    if (count.reporting > 0 && count.applied === count.reporting) return 'converged'
    if (count.failed > 0 && count.applied + count.failed === count.reporting) return 'failed'
    if (count.reporting === 0 && tookMs > COMING_MS) return 'no_agents'
  }
  if (tookMs < timeoutMs) return undefined
  return count.failed > 0 ? 'failed' : 'timeout'
}

/** Shows how far it is: a bar on a terminal, else a line for each change. */
function shower({ output }: Context, version: number) {
  const bar = output.isWatched ? new Bar(output.stderr) : undefined
  let shown = ''
  return {
    show({ applied, reporting, failed }: Count): void {
      const line = `version ${version}: ${applied} of ${reporting} agents applied${failed ? `, ${failed} failed` : ''}`
      if (bar) bar.draw(reporting ? applied / reporting : 0, line)
      else if (line !== shown) output.note(line)
      shown = line
    },
    end: () => bar?.end(),
  }
}

/** Whether a controller that gave this error may well answer again: it is starting, or has too much to do. */
const mayCome = (error: unknown): error is CliError => error instanceof CliError && (error.exitCode === exits.unavailable || error.exitCode === exits.tryLater)

/** Waits until every online agent that reports has applied a version, and shows how many have. */
export async function waitForFleet(context: Context, version: number, timeoutSeconds: number): Promise<Converged> {
  const { controller, settings, signal } = context
  const started = performance.now()
  const { show, end } = shower(context, version)
  let count: Count = { reporting: 0, applied: 0, failed: 0, not_reporting: 0, latest_version: null }
  let away: string | undefined
  let outcome: Converged['outcome'] | undefined
  try {
    while (outcome === undefined) {
      try {
        count = countOf(await ask(settings.controllerUrl, () => controller.status.$get(), FleetStatusSchema))
        away = undefined
        show(count)
      } catch (error) {
        // A controller that restarts in the middle of this is waited for too.
        if (!mayCome(error) && !signal.aborted) throw error
        away = error instanceof Error ? error.message : undefined
      }
      const tookMs = performance.now() - started
      if (signal.aborted) outcome = 'interrupted'
      else if (away === undefined) outcome = outcomeOf(count, version, tookMs, timeoutSeconds * 1000)
      else if (tookMs >= timeoutSeconds * 1000) outcome = 'timeout'
      if (outcome === undefined) await sleep(LOOK_MS, undefined, { signal }).catch(() => {})
    }
  } finally {
    end()
  }
  const named = outcome === 'interrupted' || away !== undefined ? { failed_agents: [], not_reporting_agents: [] } : await namedAgents(context, count)
  return { outcome, ...count, ...named, took_ms: Math.round(performance.now() - started), ...(away === undefined ? {} : { away }) }
}

async function namedAgents(context: Context, { failed, not_reporting }: Count): Promise<Pick<Converged, 'failed_agents' | 'not_reporting_agents'>> {
  const [failed_agents, not_reporting_agents] = await Promise.all([
    failed > 0 ? agentsIn(context, 'failed') : [],
    not_reporting > 0 ? agentsIn(context, 'registered') : [],
  ])
  return { failed_agents, not_reporting_agents }
}

async function agentsIn({ controller, settings }: Context, state: FleetState): Promise<readonly NamedAgent[]> {
  const query = { state, online: 'true', limit: String(NAMED) } as const
  const { agents } = await ask(settings.controllerUrl, () => controller.agents.$get({ query }), AgentsPageSchema)
  return agents.map(({ agent_id, hostname, error }) => ({ agent_id, hostname, ...(error === undefined ? {} : { error: safe(error) }) }))
}
