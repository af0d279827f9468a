import { z } from 'zod'
import { AgentIdSchema } from './fleet.ts'

const count = z.number().int()

/** Online agents that report by what they made of the latest version, and those that are offline. */
export const ConvergenceCountsSchema = z.object({
  applied: count,
  failed: count,
  applying: count,
  pending: count.meta({ description: 'Online, and not heard of about the latest version yet.' }),
  offline: count,
})
export type ConvergenceCounts = z.infer<typeof ConvergenceCountsSchema>

/** `GET /status/timeline`: how the last publish came to the fleet. */
export const TimelineSchema = z
  .object({
    version: z.number().int().nullable(),
    published_at: z.iso.datetime().nullable(),
    points: z.array(ConvergenceCountsSchema.extend({ ms: z.number().min(0).meta({ description: 'Since the publish.' }) })).meta({
      description: 'One for each report that changed the counts; where many came close together, the last of them. At most about 250.',
    }),
  })
  .meta({
    id: 'Timeline',
    example: {
      version: 7,
      published_at: '2026-11-24T09:00:00.000Z',
      points: [
        { ms: 0, applied: 0, failed: 0, applying: 0, pending: 3, offline: 1 },
        { ms: 12.4, applied: 3, failed: 0, applying: 0, pending: 0, offline: 1 },
      ],
    },
  })
export type Timeline = z.infer<typeof TimelineSchema>

const BelowSchema = ConvergenceCountsSchema.extend({ registered: count.meta({ description: 'Online, and never reported, as Go agents.' }) })
/** How many agents are below a relay, or the controller, by what they made of the latest version. */
export type Below = z.infer<typeof BelowSchema>

/** A relay of the tree: an agent that others follow. */
export const RelaySchema = z
  .object({
    agent_id: AgentIdSchema,
    hostname: z.string().nullable().meta({ description: 'Null where it is not in the inventory.' }),
    online: z.boolean(),
    relay_id: z.string().optional().meta({ description: 'The relay that it follows itself; absent: the controller.' }),
    depth: count.meta({ description: 'Relays between it and the controller.' }),
    direct: BelowSchema.meta({ description: 'Agents that follow it.' }),
    below: BelowSchema.meta({ description: 'Agents that follow it, and those below them.' }),
  })
  .meta({ id: 'Relay' })
export type Relay = z.infer<typeof RelaySchema>

const nobody = { applied: 0, failed: 0, applying: 0, pending: 0, offline: 0, registered: 0 }

/** `GET /status/relays`: the relays, each after the one that it follows. */
export const RelayTreeSchema = z
  .object({
    direct: BelowSchema.meta({ description: 'Agents that follow the controller itself.' }),
    relays: z.array(RelaySchema),
    more: count.meta({ description: 'Relays that are not shown: at most 500 are.' }),
  })
  .meta({
    id: 'RelayTree',
    example: {
      direct: { ...nobody, applied: 1 },
      relays: [
        {
          agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55',
          hostname: 'relay-01',
          online: true,
          depth: 0,
          direct: { ...nobody, applied: 40, failed: 1 },
          below: { ...nobody, applied: 40, failed: 1 },
        },
      ],
      more: 0,
    },
  })
export type RelayTree = z.infer<typeof RelayTreeSchema>
