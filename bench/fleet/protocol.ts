import { z } from 'zod'
import { command, nothing } from '../support/protocol.ts'

const count = z.number().int().nonnegative()
/** When each agent did it, on the machine's monotonic clock in ms, and how many did not within the time. */
const moments = z.object({ at: z.array(z.number()), missing: count })
const within = { timeout_ms: z.number().positive() }

/** children/fleet-agents.ts: many simulated agents in one process. Answers when each of them has followed once. */
export const openAgents = command(
  'open',
  z.object({
    host: z.string(),
    port: z.number().int(),
    authority: z.string(),
    api_key: z.string(),
    agents: count,
    /** The number of the first. */
    first: count,
    via: z.enum(['stream', 'wait', 'poll']),
    wait_seconds: z.number().int(),
    interval_seconds: z.number().positive(),
    never_read: count,
    report: z.boolean(),
  }),
  nothing,
)
/** How far the opening, or the spreading of the newest version, is. */
export const agentsProgress = command('progress', nothing, z.object({ following: count, holders: count }))
/** Waits until all that read hold a version. */
export const agentsReached = command('reached', z.object({ version: count, ...within }), moments)
/** Waits until all that read have begun to follow after a moment. */
export const agentsFollowed = command('followed', z.object({ after: z.number(), ...within }), moments)
/** Waits until all reports were taken. */
export const agentsReported = command('reported', nothing, z.object({ taken: count }))
/** Looks through all histories, and gives the counts and what was received. */
export const checkAgents = command(
  'check',
  z.object({
    published: z.array(z.object({ version: count, at: z.number() })),
    undisturbed_ms: z.number(),
    disturbed_ms: z.number(),
    every_version: z.boolean(),
  }),
  z.object({
    broken: count,
    /** The first of them. */
    named: z.array(z.object({ agent: z.string(), problems: z.array(z.string()) })),
    counts: z.record(z.string(), count),
    digests: z.array(z.tuple([count, z.string()])),
  }),
)
