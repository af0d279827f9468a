import { z } from 'zod'
import { followModes, labelsSchema, RegisterRequestSchema } from './agent.ts'
import { VersionSchema } from './config.ts'

/** How far a worker is with a version, as its agent reports it. */
export const reportStates = ['applying', 'applied', 'failed'] as const
export type ReportState = (typeof reportStates)[number]

/** An agent's state as the inventory shows it, against the version it is to run. */
export const fleetStates = ['registered', 'pending', ...reportStates] as const
export type FleetState = (typeof fleetStates)[number]

/** How many agents one batch of reports may name. */
export const MAX_BATCH_AGENTS = 1000
/** The longest reason of a failure that is kept, in characters; a longer one is cut by who sends it. */
export const MAX_ERROR_CHARACTERS = 1000

const agentId = z.string().min(1).max(64).meta({ description: 'As a registration gave it.', example: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55' })
const heldVersion = z.int().min(0).nullable().meta({ description: 'The version the agent holds; null before its first.', example: 7 })
const via = z.enum(followModes).nullable().meta({ description: 'How it follows; null where it is not known.', example: 'stream' })
const error = z.string().max(MAX_ERROR_CHARACTERS)

/** `POST /agents/:id/report`. */
export const ReportSchema = z
  .object({
    version: VersionSchema,
    state: z.enum(reportStates),
    error: error.optional().meta({ description: 'Why the worker refused the version.' }),
  })
  .meta({ id: 'Report', example: { version: 7, state: 'applied' } })
export type Report = z.infer<typeof ReportSchema>

/** What a report is answered with. */
export const ReportAcceptedSchema = z.object({ accepted: z.literal(true) }).meta({ id: 'ReportAccepted', example: { accepted: true } })

/** One agent of a batch: what its relay knows of it. */
export const BatchedAgentSchema = z.object({
  agent_id: agentId,
  held_version: heldVersion,
  via,
  age_ms: z.int().min(0).meta({ description: 'How long ago the relay heard of the agent, in ms.', example: 120 }),
  connected: z
    .boolean()
    .optional()
    .meta({ description: 'The relay holds a connection of the agent: it is alive for as long as its relay is, until the relay says otherwise.' }),
  relay_id: agentId.optional().meta({ description: 'The relay that the agent follows; absent: the one that sends.' }),
  registration: RegisterRequestSchema.optional().meta({ description: 'Where the agent registered since the last batch, or was unknown.' }),
  report: ReportSchema.optional(),
})
export type BatchedAgent = z.infer<typeof BatchedAgentSchema>

/** `POST /agents/reports`. */
export const BatchSchema = z
  .object({
    sessions: z.record(z.string().max(64), z.string().max(64)).optional().meta({
      description: 'By relay, an id that it makes at each start: what an earlier start said about connections is over.',
    }),
    agents: z.array(BatchedAgentSchema).max(MAX_BATCH_AGENTS, { error: `expected at most ${MAX_BATCH_AGENTS} agents` }),
  })
  .meta({
    id: 'Batch',
    example: {
      agents: [{ agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55', held_version: 7, via: 'stream', age_ms: 120, report: { version: 7, state: 'applied' } }],
    },
  })
export type Batch = z.infer<typeof BatchSchema>

/** What a batch is answered with: agents that are not known are named, so that the relay sends their registrations. */
export const BatchAcceptedSchema = z
  .object({ accepted: z.number().int(), unknown: z.array(z.string()) })
  .meta({ id: 'BatchAccepted', example: { accepted: 1, unknown: [] } })
export type BatchAccepted = z.infer<typeof BatchAcceptedSchema>

/** An agent of the inventory. */
export const AgentSchema = z
  .object({
    agent_id: agentId,
    hostname: z.string(),
    ip_address: z.string(),
    port: z.number().int(),
    labels: labelsSchema,
    agent_version: z.string().optional(),
    online: z.boolean().meta({ description: 'False where it was silent for three of its poll intervals; a held connection counts as a sign.' }),
    via,
    desired_version: z.number().int().nullable().meta({ description: 'What it is to run; null before the first publish.' }),
    held_version: heldVersion,
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
    example: {
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
    },
  })
export type Agent = z.infer<typeof AgentSchema>

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
  cursor: z.string().max(400).optional().meta({ description: '`next_cursor` of the page before.' }),
  limit: z
    .string()
    .regex(/^\d{1,4}$/, { error: 'expected a whole number from 1 to 1000' })
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= 1000, { error: 'expected a whole number from 1 to 1000' })
    .optional()
    .meta({ type: 'integer', minimum: 1, maximum: 1000, description: 'Agents a page; 100 where absent.', example: 100 }),
})
export type AgentsQuery = z.output<typeof AgentsQuerySchema>

/** `GET /agents`, in the order of registration. */
export const AgentsPageSchema = z
  .object({ agents: z.array(AgentSchema), next_cursor: z.string().optional().meta({ description: 'Absent on the last page.' }) })
  .meta({ id: 'AgentsPage', example: { agents: [AgentSchema.meta()?.example] } })
export type AgentsPage = z.infer<typeof AgentsPageSchema>

/** `DELETE /agents/:id`. */
export const AgentDeletedSchema = z
  .object({ agent_id: agentId, deleted: z.literal(true) })
  .meta({ id: 'AgentDeleted', example: { agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55', deleted: true } })

const slowAgent = z.object({
  agent_id: agentId,
  hostname: z.string(),
  state: z.enum(fleetStates),
  applied_version: z.number().int().nullable(),
  took_ms: z.number().int().optional().meta({ description: 'From the publish to its report that it applied it; absent while it has not.' }),
})

/** `GET /status` of the controller: the fleet at a glance. */
export const FleetStatusSchema = z
  .object({
    latest_version: z.number().int().nullable(),
    agents: z.object({
      total: z.number().int(),
      online: z.number().int(),
      by_state: z.record(z.string(), z.number().int()).meta({ description: 'Online agents by state, and `offline`.' }),
      by_version: z
        .record(z.string(), z.number().int())
        .meta({ description: 'Online agents by the version their worker runs; `none` where they never said so.' }),
    }),
    converged_ratio: z.number().nullable().meta({
      description:
        'Of the online agents that report (those that did, or that say who they are when they read, as Go agents do not), how many have applied the latest version, 0 to 1; null where there are none.',
    }),
    slowest: z
      .array(slowAgent)
      .meta({ description: 'Up to ten online agents: first those that have not applied the latest version, then those that took longest.' }),
    last_publish: z
      .object({
        version: z.number().int(),
        at: z.iso.datetime(),
        converged_in_ms: z
          .number()
          .int()
          .optional()
          .meta({ description: 'Until the last online agent that reports had applied it; absent until then, and after a restart of the controller.' }),
      })
      .nullable(),
  })
  .meta({
    id: 'FleetStatus',
    example: {
      latest_version: 7,
      agents: { total: 3, online: 2, by_state: { applied: 1, failed: 1, offline: 1 }, by_version: { 6: 1, 7: 1 } },
      converged_ratio: 0.5,
      slowest: [{ agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55', hostname: 'web-01', state: 'failed', applied_version: 6 }],
      last_publish: { version: 7, at: '2026-11-24T09:00:00.000Z' },
    },
  })
export type FleetStatus = z.infer<typeof FleetStatusSchema>
