import { setTimeout as sleep } from 'node:timers/promises'
import { type FleetStatus, FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { type Agent, AgentDeletedSchema, AgentSchema, AgentsPageSchema, fleetStates } from '#lib/contract/inventory.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { safe } from '../output.ts'

/** The filters of agents. */
export interface AgentsOptions {
  readonly version?: string
  readonly state?: string
  readonly label?: string
  readonly online?: boolean
  readonly offline?: boolean
}

/** `dcm agents`: all of them, however many pages that are. */
export async function agents({ controller, settings, output }: Context, options: AgentsOptions): Promise<number> {
  const state = fleetStates.find((known) => known === options.state)
  if (options.state !== undefined && state === undefined)
    throw new CliError(exits.usage, `--state must be one of ${fleetStates.join(', ')}, not ${JSON.stringify(options.state)}`)
  const online = options.online ? ('true' as const) : options.offline ? ('false' as const) : undefined
  const found: Agent[] = []
  for (let cursor: string | undefined; ; ) {
    const query = {
      limit: '1000',
      ...(state ? { state } : {}),
      ...(online ? { online } : {}),
      ...(options.version === undefined ? {} : { version: options.version }),
      ...(options.label === undefined ? {} : { label: options.label.replace('=', ':') }),
      ...(cursor === undefined ? {} : { cursor }),
    }
    const page = await ask(settings.controllerUrl, () => controller.agents.$get({ query }), AgentsPageSchema)
    found.push(...page.agents)
    cursor = page.next_cursor
    if (cursor === undefined) break
  }
  const row = (agent: Agent) => [
    agent.hostname,
    agent.online ? 'online' : 'offline',
    agent.state,
    agent.applied_version,
    agent.via,
    agent.agent_id,
    agent.error ?? '',
  ]
  output.result({ agents: found }, () => output.table(['HOST', 'SEEN', 'STATE', 'RUNS', 'VIA', 'ID', 'ERROR'], found.map(row)))
  return exits.ok
}

/** `dcm agents show ID`. */
export async function showAgent({ controller, settings, output }: Context, id: string): Promise<number> {
  const agent = await ask(settings.controllerUrl, () => controller.agents[':id'].$get({ param: { id } }), AgentSchema)
  output.result(agent, () => safe(JSON.stringify(agent, null, 2)).replaceAll('\ufffd', '\n'))
  return exits.ok
}

/** `dcm agents delete ID`. */
export async function deleteAgent({ controller, settings, output }: Context, id: string): Promise<number> {
  const deleted = await ask(settings.controllerUrl, () => controller.agents[':id'].$delete({ param: { id } }), AgentDeletedSchema)
  output.result(deleted, () => `deleted ${deleted.agent_id}`)
  return exits.ok
}

const counts = (by: Readonly<Record<string, number>>): string =>
  Object.entries(by)
    .map(([name, agents]) => `${name} ${agents}`)
    .join(', ') || '-'

function statusText({ output }: Context, status: FleetStatus): string {
  const { agents, last_publish, converged_ratio, slowest, hits } = status
  const lines = [
    `latest version  ${status.latest_version ?? 'none'}${last_publish ? ` (${last_publish.at})` : ''}`,
    `converged       ${converged_ratio === null ? 'nobody reports' : `${(converged_ratio * 100).toFixed(1)} % of ${agents.reporting}`}${last_publish?.converged_in_ms === undefined ? '' : `, after ${last_publish.converged_in_ms} ms`}`,
    `agents          ${agents.online} of ${agents.total} online`,
    `by state        ${counts(agents.by_state)}`,
    `by version      ${counts(agents.by_version)}`,
    ...hits.map(({ version, completed, failed }) => `${`hits of ${version}`.padEnd(16)}${completed} completed, ${failed} failed in the last 5 minutes`),
  ]
  const missing = slowest.filter(({ state }) => state !== 'applied')
  if (missing.length > 0)
    lines.push(
      '',
      output.table(
        ['MISSING', 'STATE', 'RUNS', 'ID'],
        missing.map((agent) => [agent.hostname, agent.state, agent.applied_version, agent.agent_id]),
      ),
    )
  return lines.join('\n')
}

/** `dcm status`, once or until Ctrl-C. */
export async function status(context: Context, options: { readonly watch?: boolean }): Promise<number> {
  const { controller, settings, output, signal } = context
  for (;;) {
    const now = await ask(settings.controllerUrl, () => controller.status.$get(), FleetStatusSchema)
    if (options.watch && output.stdout.isTTY && !output.json) output.stdout.write('\u001b[2J\u001b[H')
    output.result(now, () => statusText(context, now))
    if (!options.watch) return exits.ok
    try {
      await sleep(1000, undefined, { signal })
    } catch {
      return exits.ok
    }
  }
}
