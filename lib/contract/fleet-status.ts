import { z } from 'zod'
import { AgentIdSchema } from './fleet.ts'
import { fleetStates } from './inventory.ts'
import { VersionOutcomeSchema } from './outcome.ts'

const slowAgent = z.object({
  agent_id: AgentIdSchema,
  hostname: z.string(),
  state: z.enum(fleetStates),
  applied_version: z.number().int().nullable(),
  took_ms: z.number().int().optional().meta({ description: 'From the publish to its report that it applied it; absent while it has not.' }),
})

/** How long a publish took to how many agents, in ms. */
const PropagationSchema = z.object({ count: z.number().int(), p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() })
export type Propagation = z.infer<typeof PropagationSchema>

/** `GET /status` of the controller: the fleet at a glance. */
export const FleetStatusSchema = z
  .object({
    latest_version: z.number().int().nullable(),
    agents: z.object({
      total: z.number().int(),
      online: z.number().int(),
      reporting: z.number().int().meta({ description: 'Online agents that report: those that did, or that say who they are when they read.' }),
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
        propagation_ms: PropagationSchema.optional().meta({
          description: 'From the publish to the report that applied it, over the online agents that have; absent where that is known of none.',
        }),
      })
      .nullable(),
    hits: z
      .array(VersionOutcomeSchema.extend({ agents: z.number().int().meta({ description: 'How many online agents told of hits of this version.' }) }))
      .meta({
        description: 'What became of hits by config version, over all online agents whose worker tells it: their last 5 minutes. Newest version first.',
      }),
  })
  .meta({
    id: 'FleetStatus',
    example: {
      latest_version: 7,
      agents: { total: 3, online: 2, reporting: 2, by_state: { applied: 1, failed: 1, offline: 1 }, by_version: { 6: 1, 7: 1 } },
      converged_ratio: 0.5,
      slowest: [{ agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55', hostname: 'web-01', state: 'failed', applied_version: 6 }],
      last_publish: { version: 7, at: '2026-11-24T09:00:00.000Z' },
      hits: [],
    },
  })
export type FleetStatus = z.infer<typeof FleetStatusSchema>
