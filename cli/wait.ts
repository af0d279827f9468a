import { setTimeout as sleep } from 'node:timers/promises'
import { type FleetStatus, FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { AgentsPageSchema } from '#lib/contract/inventory.ts'
import { ask } from './call.ts'
import type { Context } from './context.ts'
import { CliError, exits } from './exit.ts'
import { safe } from './output.ts'

/** How often it is looked, in ms. */
const LOOK_MS = 200
/** How many failed agents are named. */
const NAMED = 20
/** For how long after a publish agents may still be coming, in ms, before "nobody is there" is said. */
const COMING_MS = 1000

/** How a publish ended on the fleet. */
export interface Converged {
  readonly version: number
  readonly outcome: 'converged' | 'failed' | 'timeout' | 'no_agents' | 'superseded'
  readonly online: number
  readonly applied: number
  readonly failed: readonly { readonly agent_id: string; readonly hostname: string; readonly error: string }[]
  readonly took_ms: number
}

interface Count {
  /** Online agents that report. */
  readonly reporting: number
  readonly applied: number
  readonly failed: number
}

const countOf = ({ agents }: FleetStatus): Count => ({
  reporting: agents.reporting,
  applied: agents.by_state.applied ?? 0,
  failed: agents.by_state.failed ?? 0,
})

const bar = (share: number): string => {
  const width = 30
  const full = Math.round(share * width)
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`
}

/** Waits until every online agent that reports has applied a version, and shows how many have. */
export async function waitForFleet(context: Context, version: number, timeoutSeconds: number): Promise<Converged> {
  const { output, controller, settings, signal } = context
  const started = performance.now()
  const took = () => Math.round(performance.now() - started)
  const look = () => ask(settings.controllerUrl, () => controller.status.$get(), FleetStatusSchema)
  let shown = ''
  const show = (count: Count) => {
    const line = `version ${version}: ${count.applied} of ${count.reporting} agents applied${count.failed ? `, ${count.failed} failed` : ''}`
    if (line === shown || output.json) return
    shown = line
    if (output.isInteractive) output.stderr.write(`\r\u001b[K${bar(count.reporting ? count.applied / count.reporting : 0)} ${line}`)
    else output.note(line)
  }
  const end = async (outcome: Converged['outcome'], { applied, reporting, failed }: Count): Promise<Converged> => {
    if (output.isInteractive && shown) output.stderr.write('\n')
    return { version, outcome, online: reporting, applied, failed: failed > 0 ? await failedAgents(context) : [], took_ms: took() }
  }
  for (;;) {
    const status = await look()
    const count = countOf(status)
    show(count)
    if ((status.latest_version ?? 0) > version) return end('superseded', count)
    const isThere = status.latest_version === version
    if (isThere && count.reporting > 0 && count.applied === count.reporting) return end('converged', count)
    if (isThere && count.failed > 0 && count.applied + count.failed === count.reporting) return end('failed', count)
    if (isThere && count.reporting === 0 && took() > COMING_MS) return end('no_agents', count)
    if (took() > timeoutSeconds * 1000) return end(count.failed > 0 ? 'failed' : 'timeout', count)
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {
      throw new CliError(exits.interrupted, `interrupted: version ${version} is published, and goes on to the fleet; dcm status shows how far it is`)
    })
  }
}

async function failedAgents({ controller, settings }: Context): Promise<Converged['failed']> {
  const query = { state: 'failed', online: 'true', limit: String(NAMED) } as const
  const { agents } = await ask(settings.controllerUrl, () => controller.agents.$get({ query }), AgentsPageSchema)
  return agents.map(({ agent_id, hostname, error }) => ({ agent_id, hostname, error: error ?? 'it does not say why' }))
}

/** Says how it ended, and gives the exit code for it. */
export function tellConverged(context: Context, converged: Converged): number {
  const { output } = context
  const { version, outcome, applied, online, failed, took_ms } = converged
  for (const { hostname, agent_id, error } of failed) output.note(`${output.colours.red('failed')} ${safe(hostname)} (${safe(agent_id)}): ${safe(error)}`)
  switch (outcome) {
    case 'converged':
      output.note(`version ${version} runs on all ${online} online agents that report, after ${(took_ms / 1000).toFixed(1)} s`)
      return exits.ok
    case 'failed':
      output.note(`version ${version}: ${applied} of ${online} online agents applied it, ${failed.length} failed; dcm rollback goes back`)
      return exits.failed
    case 'superseded':
      output.note(`a newer version was published meanwhile: version ${version} is not what the fleet is to run any more`)
      return exits.timeout
    case 'no_agents':
      output.note(`version ${version} is published; no agent that reports is online`)
      return exits.timeout
    case 'timeout':
      output.note(`version ${version}: ${applied} of ${online} online agents applied it in time; dcm status shows who is missing`)
      return exits.timeout
  }
}
