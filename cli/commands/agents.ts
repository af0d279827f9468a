import { type Agent, AgentDeletedSchema, AgentsPageSchema, type AgentsQuery, type FleetState } from '#lib/contract/inventory.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { gather } from '../pages.ts'

/** The filters of agents. */
export interface AgentsOptions {
  readonly version?: number
  readonly state?: FleetState
  readonly label?: string
  readonly search?: string
  readonly sort?: NonNullable<AgentsQuery['sort']>
  readonly online?: boolean
  readonly offline?: boolean
}

/** `key=value` as the API has it. */
function labelOf(text: string): string {
  const at = text.indexOf('=')
  if (at < 1) throw new CliError(exits.usage, `--label takes key=value, as zone=eu-1, not ${JSON.stringify(text)}`)
  return `${text.slice(0, at)}:${text.slice(at + 1)}`
}

/** `dcm agents`: all of them, however many pages that are. */
export async function agents({ controller, settings, output }: Context, options: AgentsOptions): Promise<number> {
  const filter = {
    ...(options.state ? { state: options.state } : {}),
    ...(options.online ? { online: 'true' as const } : options.offline ? { online: 'false' as const } : {}),
    ...(options.version === undefined ? {} : { version: String(options.version) }),
    ...(options.label === undefined ? {} : { label: labelOf(options.label) }),
    ...(options.search === undefined ? {} : { q: options.search }),
    ...(options.sort === undefined ? {} : { sort: options.sort }),
  }
  const { items } = await gather<Agent, string>(Number.POSITIVE_INFINITY, undefined, async (cursor, limit) => {
    const query = { limit: String(limit), ...filter, ...(cursor === undefined ? {} : { cursor }) }
    const page = await ask(settings.controllerUrl, () => controller.agents.$get({ query }), AgentsPageSchema)
    return { items: page.agents, next: page.next_cursor }
  })
  output.result({ agents: items }, () =>
    output.table(
      ['HOST', 'SEEN', 'STATE', 'RUNS', 'VIA', 'ID', 'ERROR'],
      items.map((agent) => [agent.hostname, agent.online ? 'online' : 'offline', agent.state, agent.applied_version, agent.via, agent.agent_id, agent.error]),
    ),
  )
  return exits.ok
}

/** `dcm agents delete ID`. */
export async function deleteAgent({ controller, settings, output }: Context, id: string): Promise<number> {
  const deleted = await ask(settings.controllerUrl, () => controller.agents[':id'].$delete({ param: { id } }), AgentDeletedSchema)
  output.result(deleted, () => `deleted ${deleted.agent_id}`)
  return exits.ok
}
