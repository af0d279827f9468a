import { setTimeout as sleep } from 'node:timers/promises'
import { type FleetStatus, FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'

/** How often --watch looks, in ms. */
const WATCH_MS = 1000
/** Clears a terminal. */
const CLEAR = '\u001b[2J\u001b[H'

const counts = (by: Readonly<Record<string, number>>): string =>
  Object.entries(by)
    .map(([name, agents]) => `${agents} ${name}`)
    .join(', ')

const versions = (by: Readonly<Record<string, number>>): string =>
  Object.entries(by)
    .map(([version, agents]) => `${agents} ${agents === 1 ? 'runs' : 'run'} ${version}`)
    .join(', ')

function convergence({ converged_ratio, agents, last_publish }: FleetStatus): string {
  if (converged_ratio === null) return 'nobody reports'
  // Not rounded up: 100 % is all of them.
  const share = `${(Math.floor(converged_ratio * 1000) / 10).toFixed(1)} % of ${agents.reporting}`
  return last_publish?.converged_in_ms === undefined ? share : `${share}, after ${last_publish.converged_in_ms} ms`
}

function statusText({ output }: Context, status: FleetStatus): string {
  const { agents, last_publish, slowest, hits } = status
  const text = output.pairs([
    ['latest version', `${status.latest_version ?? 'none'}${last_publish ? `, of ${last_publish.at}` : ''}`],
    ['converged', convergence(status)],
    [
      'agents',
      `${agents.online} of ${agents.total} online${agents.online > agents.reporting ? `, ${agents.online - agents.reporting} of them do not report` : ''}`,
    ],
    ['by state', counts(agents.by_state)],
    ['by version', versions(agents.by_version)],
    ...hits.map(({ version, completed, failed }): [string, string] => [`hits of ${version}`, `${completed} completed, ${failed} failed in the last 5 minutes`]),
  ])
  const missing = slowest.filter(({ state }) => state !== 'applied')
  if (missing.length === 0) return text
  const rows = missing.map((agent) => [agent.hostname, agent.state, agent.applied_version, agent.agent_id])
  return `${text}\n\n${output.table(['MISSING', 'STATE', 'RUNS', 'ID'], rows)}`
}

/** `dcm status`, once, or until Ctrl-C or until nobody reads any more. */
export async function status(context: Context, options: { readonly watch?: boolean }): Promise<number> {
  const { controller, settings, output, signal } = context
  for (;;) {
    const now = await ask(settings.controllerUrl, () => controller.status.$get(), FleetStatusSchema)
    if (options.watch && output.stdout.isTTY && !output.json) output.stdout.write(CLEAR)
    output.result(now, () => statusText(context, now))
    if (!options.watch) return exits.ok
    await sleep(WATCH_MS, undefined, { signal }).catch(() => {})
    // Ctrl-C is how this is meant to end.
    if (signal.aborted || output.stdout.isOpen === false) return exits.ok
  }
}
