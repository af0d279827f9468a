import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import { DEFAULT_MAX_BACKLOG, type HitQueue } from '../port.ts'
import { RedisHitQueue } from './queue.ts'
import type { RedisTarget } from './settings.ts'

/** How long an open waits for the first connection, in ms; it goes on without one. */
const FIRST_CONNECTION_MS = 1000

/** Which Redis, and what the queue is given. */
export interface RedisHitQueueOptions {
  readonly redis: RedisTarget
  /** How many hits may wait; {@link DEFAULT_MAX_BACKLOG} where absent. */
  readonly maxBacklog?: number
  readonly logger: Logger
  readonly clock: Clock
}

/**
 * Opens the hit queue on Redis, by BullMQ. Where Redis is away it opens all the same, within a second, answers
 * with `QueueUnavailableError`, and works once Redis is there.
 */
export async function openRedisHitQueue(options: RedisHitQueueOptions): Promise<HitQueue> {
  const queue = new RedisHitQueue({ ...options, maxBacklog: options.maxBacklog ?? DEFAULT_MAX_BACKLOG })
  await queue.connected(AbortSignal.timeout(FIRST_CONNECTION_MS))
  return queue
}
