import { AgentSchema } from '#lib/contract/inventory.ts'
import { ask } from '../call.ts'
import type { Context } from '../context.ts'
import { exits } from '../exit.ts'

const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ')

/** `dcm agent ID`. */
export async function agent({ controller, settings, output }: Context, id: string): Promise<number> {
  const found = await ask(settings.controllerUrl, () => controller.agents[':id'].$get({ param: { id } }), AgentSchema)
  output.result(found, () =>
    output.pairs([
      ['host', found.hostname],
      ['id', found.agent_id],
      ['address', `${found.ip_address} port ${found.port}`],
      ['labels', labelsText(found.labels)],
      ['release', found.agent_version],
      ['seen', `${found.online ? 'online' : 'offline'}, last at ${found.last_seen_at}`],
      ['follows by', found.via],
      ['relay', found.relay_id],
      ['is to run', found.desired_version],
      ['holds', found.held_version],
      ['runs', found.applied_version],
      ['state', found.state],
      ['error', found.error],
      ['registered', found.registered_at],
    ]),
  )
  return exits.ok
}
