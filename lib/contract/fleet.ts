import { z } from 'zod'
import { followModes, RegisterRequestSchema } from './agent.ts'
import { VersionSchema } from './config.ts'
import { HitOutcomesSchema } from './outcome.ts'

/** How far a worker is with a version, as its agent reports it. */
export const reportStates = ['applying', 'applied', 'failed'] as const
export type ReportState = (typeof reportStates)[number]

/** How many agents one batch of reports may name. */
export const MAX_BATCH_AGENTS = 1000
/** Of how many relays one batch may name the sessions. */
export const MAX_BATCH_SESSIONS = 1000
/** The longest reason of a failure that is kept, in characters; a longer one is cut by who sends it. */
export const MAX_ERROR_CHARACTERS = 1000

/** The id of an agent. */
export const AgentIdSchema = z
  .string()
  .regex(/^[\x20-\x7e]{1,64}$/, { error: 'expected 1 to 64 printable ASCII characters' })
  .meta({ description: 'As a registration gave it.', example: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55' })
/** What an agent holds. */
export const HeldVersionSchema = z.int().min(0).nullable().meta({ description: 'The version the agent holds; null before its first.', example: 7 })
/** How an agent follows. */
export const ViaSchema = z.enum(followModes).nullable().meta({ description: 'How it follows; null where it is not known.', example: 'stream' })
const error = z.string().max(MAX_ERROR_CHARACTERS)

/** `POST /agents/:id/report`. */
export const ReportSchema = z
  .object({
    version: VersionSchema,
    state: z.enum(reportStates),
    error: error.optional().meta({ description: 'Why the worker refused the version.' }),
    hits: HitOutcomesSchema.optional().meta({
      description: 'What became of the hits of its worker in the last 5 minutes; absent where there were none, or it does not say.',
    }),
  })
  .meta({ id: 'Report', example: { version: 7, state: 'applied' } })
export type Report = z.infer<typeof ReportSchema>

/** What a report is answered with. */
export const ReportAcceptedSchema = z.object({ accepted: z.literal(true) }).meta({ id: 'ReportAccepted', example: { accepted: true } })

/** One agent of a batch: what its relay knows of it. */
export const BatchedAgentSchema = z.object({
  agent_id: AgentIdSchema,
  held_version: HeldVersionSchema,
  via: ViaSchema,
  age_ms: z.int().min(0).meta({ description: 'How long ago the relay heard of the agent, in ms.', example: 120 }),
  connected: z
    .boolean()
    .optional()
    .meta({ description: 'The relay holds a connection of the agent: it is alive for as long as its relay is, until the relay says otherwise.' }),
  relay_id: AgentIdSchema.optional().meta({ description: 'The relay that the agent follows; absent: the one that sends.' }),
  registration: RegisterRequestSchema.optional().meta({ description: 'Where the agent registered since the last batch, or was unknown.' }),
  owner: z.string().max(100).optional().meta({
    description:
      'The name of the key that speaks for the agent below the relay; absent: an admin’s, or not known. With a registration the agent is registered in its name.',
    example: 'web-01',
  }),
  report: ReportSchema.optional(),
})
export type BatchedAgent = z.infer<typeof BatchedAgentSchema>

/** `POST /agents/reports`. */
export const BatchSchema = z
  .object({
    sessions: z
      .record(z.string().max(64), z.string().max(64))
      .refine((sessions) => Object.keys(sessions).length <= MAX_BATCH_SESSIONS, { error: `expected at most ${MAX_BATCH_SESSIONS} sessions` })
      .optional()
      .meta({ type: 'object', description: 'By relay, an id that it makes at each start: what an earlier start said about connections is over.' }),
    agents: z.array(BatchedAgentSchema).max(MAX_BATCH_AGENTS, { error: `expected at most ${MAX_BATCH_AGENTS} agents` }),
  })
  .meta({
    id: 'Batch',
    example: {
      agents: [{ agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55', held_version: 7, via: 'stream', age_ms: 120, report: { version: 7, state: 'applied' } }],
    },
  })
export type Batch = z.infer<typeof BatchSchema>

/**
 * What a batch is answered with: agents that are not known are named, so that the relay sends their registrations; and those
 * that belong to another than their `owner`, of which nothing was taken.
 */
export const BatchAcceptedSchema = z
  .object({ accepted: z.number().int(), unknown: z.array(z.string()), not_permitted: z.array(z.string()).optional() })
  .meta({ id: 'BatchAccepted', example: { accepted: 1, unknown: [] } })
export type BatchAccepted = z.infer<typeof BatchAcceptedSchema>
