import { z } from 'zod'
import { labelsSchema } from './agent.ts'
import { AgentIdSchema, HeldVersionSchema, reportStates, ViaSchema } from './fleet.ts'
import { VersionOutcomeSchema } from './outcome.ts'
import { pageLimit } from './page.ts'

/** An agent's state as the inventory shows it, against the version it is to run. */
export const fleetStates = ['registered', 'pending', ...reportStates] as const
export type FleetState = (typeof fleetStates)[number]

const agentExample = {
  agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55',
  hostname: 'web-01',
  ip_address: '10.0.0.7',
  port: 8081,
  labels: { zone: 'eu-1' },
  agent_version: '0.1.0',
  online: true,
  via: 'stream',
  desired_version: 7,
  held_version: 7,
  applied_version: 7,
  state: 'applied',
  registered_at: '2026-11-24T08:00:00.000Z',
  last_seen_at: '2026-11-24T09:00:00.000Z',
}

/** An agent of the inventory. */
export const AgentSchema = z
  .object({
    agent_id: AgentIdSchema,
    hostname: z.string(),
    ip_address: z.string(),
    port: z.number().int(),
    labels: labelsSchema,
    agent_version: z.string().optional(),
    online: z.boolean().meta({ description: 'False where it was silent for three of its poll intervals; a held connection counts as a sign.' }),
    via: ViaSchema,
    desired_version: z.number().int().nullable().meta({ description: 'What it is to run; null before the first publish.' }),
    held_version: HeldVersionSchema,
    applied_version: z.number().int().nullable().meta({ description: 'What its worker runs; null where it never said so.' }),
    state: z.enum(fleetStates).meta({
      description: '`registered`: it never reported, as Go agents. `pending`: it has not reported on the desired version yet. Else its report on it.',
    }),
    error: z.string().optional(),
    relay_id: z.string().optional().meta({ description: 'The relay it follows; absent where it follows the controller itself.' }),
    registered_at: z.iso.datetime(),
    last_seen_at: z.iso.datetime(),
  })
  .meta({
    id: 'Agent',
    example: agentExample,
  })
export type Agent = z.infer<typeof AgentSchema>

/** `GET /agents/:id`: an agent, whose it is, and what became of the hits of its worker. */
export const AgentDetailSchema = AgentSchema.extend({
  owner: z.string().nullable().meta({ description: 'The name of the keys that it belongs to; null: nobody’s.' }),
  hits: z
    .array(VersionOutcomeSchema)
    .meta({ description: 'What became of the hits of its worker in the last 5 minutes, newest version first; empty where it did not say.' }),
}).meta({ id: 'AgentDetail', example: { ...agentExample, owner: 'web-01', hits: [] } })
export type AgentDetail = z.infer<typeof AgentDetailSchema>

/** How many versions the history of an agent reaches back. */
export const MAX_AGENT_HISTORY = 50

/** `GET /agents/:id/history`: what the agent made of each version, the newest version first. */
export const AgentHistorySchema = z
  .object({
    reports: z.array(
      z.object({
        version: z.number().int(),
        state: z.enum(reportStates).meta({ description: 'Of its last report on this version.' }),
        error: z.string().optional(),
        at: z.iso.datetime().meta({ description: 'When that report came.' }),
      }),
    ),
  })
  .meta({ id: 'AgentHistory', example: { reports: [{ version: 7, state: 'applied', at: '2026-11-24T09:00:00.031Z' }] } })
export type AgentHistory = z.infer<typeof AgentHistorySchema>

/** What the inventory is sorted by; with `-` in front the other way round. */
export const agentSorts = ['registered', 'hostname', 'version', 'state', 'last_seen'] as const
export type AgentSort = (typeof agentSorts)[number]
const sorts = agentSorts.flatMap((sort) => [sort, `-${sort}` as const])

/** The filters and the page of `GET /agents`; all that are given must be met. */
export const AgentsQuerySchema = z.object({
  state: z
    .enum(fleetStates, { error: `expected one of ${fleetStates.join(', ')}` })
    .optional()
    .meta({ example: 'failed' }),
  online: z
    .enum(['true', 'false'], { error: 'expected true or false' })
    .optional()
    .meta({ description: 'Only agents that are online, or only those that are not.', example: 'true' }),
  version: z
    .string()
    .regex(/^\d{1,15}$/, { error: 'expected a version: a whole number' })
    .transform(Number)
    .optional()
    .meta({ type: 'integer', description: 'Only agents whose worker runs this version.', example: 7 }),
  label: z
    .string()
    .regex(/^[^:]+:/, { error: 'expected key:value, as zone:eu-1' })
    .optional()
    .meta({ description: 'Only agents with this label, as `key:value`.', example: 'zone:eu-1' }),
  relay: AgentIdSchema.optional().meta({ description: 'Only agents that follow this relay.', example: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55' }),
  q: z
    .string()
    .min(1, { error: 'expected 1 to 100 characters' })
    .max(100, { error: 'expected 1 to 100 characters' })
    .optional()
    .meta({ description: 'Only agents in whose hostname, id or address this is found; capitals are as good as small letters.', example: 'web-' }),
  sort: z
    .enum(sorts, { error: `expected one of ${agentSorts.join(', ')}, with - in front the other way round` })
    .optional()
    .meta({ description: 'The order: of registration where absent. With `-` in front the other way round.', example: '-last_seen' }),
  count: z
    .enum(['true', 'false'], { error: 'expected true or false' })
    .optional()
    .meta({ description: 'With how many there are that meet the filters, as `total`.', example: 'true' }),
  cursor: z.string().max(1000).optional().meta({ description: '`next_cursor` of the page before.' }),
  limit: pageLimit('Agents a page; 100 where absent.'),
})
export type AgentsQuery = z.output<typeof AgentsQuerySchema>

/** `GET /agents`. */
export const AgentsPageSchema = z
  .object({
    agents: z.array(AgentSchema),
    next_cursor: z.string().optional().meta({ description: 'Absent on the last page.' }),
    total: z.number().int().optional().meta({ description: 'How many meet the filters; where it was asked for.' }),
  })
  .meta({ id: 'AgentsPage', example: { agents: [AgentSchema.meta()?.example] } })
export type AgentsPage = z.infer<typeof AgentsPageSchema>

/** `DELETE /agents/:id`. */
export const AgentDeletedSchema = z
  .object({ agent_id: AgentIdSchema, deleted: z.literal(true) })
  .meta({ id: 'AgentDeleted', example: { agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55', deleted: true } })
