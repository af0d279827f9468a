import { z } from 'zod'

/** What a controller or relay can do beyond the Go system's; an agent follows by the first it can use. */
export const capabilities = ['wait', 'stream', 'report'] as const
export type Capability = (typeof capabilities)[number]

/** Labels of an agent: at most 64, keys of up to 64 characters without a colon, values of up to 256. */
export const labelsSchema = z
  .record(z.string().regex(/^[^:]{1,64}$/, { error: 'expected a key of 1 to 64 characters without a colon' }), z.string().max(256))
  .refine((labels) => Object.keys(labels).length <= 64, { error: 'expected at most 64 labels' })
  .meta({ type: 'object', example: { zone: 'eu-1' } })

/** `POST /register`. */
export const RegisterRequestSchema = z
  .object({
    hostname: z.string().min(1).max(255).meta({ example: 'web-01' }),
    ip_address: z.string().min(1).max(255).meta({ example: '10.0.0.7' }),
    port: z.int().min(1).max(65_535).meta({ example: 8081 }),
    instance_id: z.uuid().optional().meta({ description: 'Made once by our agent and kept in DATA_DIR.' }),
    labels: labelsSchema.optional(),
    agent_version: z.string().max(64).optional(),
  })
  .meta({ id: 'RegisterRequest', example: { hostname: 'web-01', ip_address: '10.0.0.7', port: 8081 } })
export type RegisterRequest = z.infer<typeof RegisterRequestSchema>

/** What a registration answers. */
export const RegisterResponseSchema = z
  .object({
    agent_id: z.string().meta({ description: 'The UUIDv5 of instance_id, or without one of hostname, ip_address and port.' }),
    status: z.literal('active'),
    poll_url: z.literal('/config'),
    poll_interval_seconds: z.number().int(),
    capabilities: z.array(z.enum(capabilities)),
    relay_path: z.array(z.string()).optional().meta({ description: 'Where a relay answers: its id, and those of the relays above it.' }),
  })
  .meta({
    id: 'RegisterResponse',
    example: {
      agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55',
      status: 'active',
      poll_url: '/config',
      poll_interval_seconds: 30,
      capabilities: ['wait', 'stream', 'report'],
    },
  })

/** A registration's answer as an agent reads it: a Go controller names no capabilities, a later one may name more. */
export const ReceivedRegistrationSchema = z.object({
  agent_id: z.string().min(1),
  poll_interval_seconds: z.number().int().optional(),
  capabilities: z.array(z.string()).optional(),
  relay_path: z.array(z.string()).optional(),
})

/** How an agent stands with its controller, as its `/status` says. */
export const connectionStates = ['starting', 'registering', 'following', 'retrying', 'stopped'] as const
export type ConnectionState = (typeof connectionStates)[number]

/** How an agent follows: by stream, by long poll, or by polling at the interval. */
export const followModes = ['stream', 'wait', 'poll'] as const
export type FollowMode = (typeof followModes)[number]

/** How the worker stands with the config that the agent holds. */
export const deliveryStates = ['none', 'applying', 'applied', 'failed'] as const

/** The relay's part of an agent's `/status`; absent where it is none. */
export const RelayStatusSchema = z.object({
  enabled: z.literal(true),
  followers: z.number().int().meta({ description: 'Agents that it knows of, below relays that follow it too.' }),
  streams: z.number().int(),
  waiting: z.number().int().meta({ description: 'Long polls that are held.' }),
  cut_off: z.boolean().meta({ description: 'It cannot reach its controller, and serves what it holds to keys that it knew.' }),
  unsent: z.number().int().meta({ description: 'Followers of which there is news that its controller has not taken yet.' }),
  last_error: z.string().nullable().meta({ description: 'Why its controller did not take the last batch of reports.' }),
})
export type RelayStatus = z.infer<typeof RelayStatusSchema>

/** `GET /status` of the agent. */
export const AgentStatusSchema = z
  .object({
    agent_id: z.string().nullable().meta({ description: 'Null before the first registration.' }),
    hostname: z.string(),
    controller: z.object({
      url: z.string(),
      state: z.enum(connectionStates),
      since: z.iso.datetime(),
      via: z.enum(followModes).nullable(),
      last_error: z.string().nullable(),
      next_attempt_at: z.iso.datetime().nullable(),
      relay_cut_off_seconds: z
        .number()
        .int()
        .nullable()
        .meta({ description: 'For how long the relay that it follows by stream has not reached the controller; null where it does, or does not say.' }),
    }),
    worker: z.object({
      url: z.string().nullable().meta({ description: 'Null where there is no worker; its state is then none for ever.' }),
      state: z.enum(deliveryStates),
      applied_version: z.number().int().nullable(),
      last_error: z.string().nullable(),
      next_attempt_at: z.iso.datetime().nullable(),
    }),
    held_version: z.number().int().nullable(),
    poll_interval_seconds: z.number().int(),
    reports: z
      .object({
        wanted: z.boolean().meta({ description: 'Whether the controller takes reports; a Go controller does not.' }),
        version: z.number().int().nullable(),
        state: z.enum(deliveryStates).nullable().meta({ description: 'What was reported last; null before the first report.' }),
        last_error: z.string().nullable(),
      })
      .optional(),
    relay: RelayStatusSchema.optional(),
  })
  .meta({
    id: 'AgentStatus',
    example: {
      agent_id: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55',
      hostname: 'web-01',
      controller: {
        url: 'http://localhost:6001',
        state: 'following',
        since: '2026-11-24T09:00:00.000Z',
        via: 'stream',
        last_error: null,
        next_attempt_at: null,
        relay_cut_off_seconds: null,
      },
      worker: { url: 'http://localhost:6002', state: 'applied', applied_version: 7, last_error: null, next_attempt_at: null },
      held_version: 7,
      poll_interval_seconds: 30,
      reports: { wanted: true, version: 7, state: 'applied', last_error: null },
    },
  })
export type AgentStatus = z.infer<typeof AgentStatusSchema>
