import { z } from 'zod'

/** `GET /health`: 200 as long as the process serves; `degraded` and the warnings say what is wrong. */
export const HealthSchema = z
  .object({
    status: z.enum(['ok', 'degraded']),
    service: z.enum(['controller', 'agent', 'worker']),
    version: z.string(),
    uptime_seconds: z.number().nonnegative(),
    warnings: z.array(z.string()),
    parts: z
      .record(z.string(), z.record(z.string(), z.unknown()))
      .meta({ description: 'Each part with what it says of itself: the store, the queue engine, the config held.' }),
  })
  .meta({
    id: 'Health',
    example: {
      status: 'ok',
      service: 'worker',
      version: '0.1.0',
      uptime_seconds: 12.5,
      warnings: [],
      parts: { queue: { engine: 'embedded', ok: true }, config: { version: 7 } },
    },
  })
export type Health = z.infer<typeof HealthSchema>

/** `GET /ready`: 200 where the service can do its work. */
export const ReadySchema = z.object({ ready: z.literal(true) }).meta({ id: 'Ready', example: { ready: true } })
