import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import type { Logger } from '#lib/observe/logger.ts'
import { readStored, setAside, writeAtomically } from '#lib/runtime/atomic-file.ts'
import type { WorkerServiceConfig } from './config.ts'

/** The file of the embedded queue, in DATA_DIR. */
export const EMBEDDED_QUEUE_FILE = 'hits.db'

/** One of the two engines. */
export type QueueEngine = 'redis' | 'embedded'

const ChoiceSchema = z.object({ engine: z.enum(['redis', 'embedded']) })

/** Whether something that speaks Redis answers there; asked with a PING, since a port alone says little. */
export function redisAnswers(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const finish = (answers: boolean) => {
      socket.destroy()
      resolve(answers)
    }
    socket.once('connect', () => socket.write('PING\r\n'))
    // +PONG, or -NOAUTH from one that wants a password.
    socket.once('data', (data) => finish(/^[+-](PONG|NOAUTH)/.test(data.toString('latin1'))))
    socket.once('timeout', () => finish(false))
    socket.once('error', () => finish(false))
    socket.once('close', () => finish(false))
  })
}

/** What an earlier start chose. */
function rememberedChoice(path: string, logger: Logger): QueueEngine | undefined {
  const stored = readStored(path)
  if (stored.kind === 'none') return undefined
  const parsed = stored.kind === 'value' ? ChoiceSchema.safeParse(stored.value) : undefined
  if (parsed?.success) return parsed.data.engine
  const { movedTo, why } = stored.kind === 'corrupt' ? stored : setAside(path, 'it does not name an engine')
  logger.warn('queue', `the file that keeps the choice of queue cannot be used (${why}); it was moved to ${movedTo}, and the choice is made again`)
  return undefined
}

/**
 * Which engine holds the hits. A Redis that was asked for is needed, whatever happens; where nothing was said,
 * a Redis that answers at localhost at the first start is used, else the embedded queue, and later starts keep
 * to that: a Redis that appears or goes must not strand hits that were acknowledged.
 * @param probe whether a Redis answers at the default place
 */
export async function chooseQueue(
  config: Pick<WorkerServiceConfig, 'queue' | 'redis' | 'dataDir'>,
  logger: Logger,
  probe: typeof redisAnswers = redisAnswers,
): Promise<QueueEngine> {
  const { queue, redis } = config
  if (queue !== 'auto') {
    logger.info('queue', `hits go to the ${queue} queue, as HIT_QUEUE says`)
    return queue
  }
  if (redis.named) {
    logger.info('queue', 'hits go to Redis, since REDIS_HOST or REDIS_URL is set')
    return 'redis'
  }
  const path = join(config.dataDir, 'queue-engine.json')
  const remembered = rememberedChoice(path, logger)
  if (remembered) {
    logger.info('queue', `hits go to the ${remembered} queue, as at the first start here (HIT_QUEUE chooses another)`)
    return remembered
  }
  // The note is lost or new: an embedded queue that is there may hold hits.
  const engine: QueueEngine = !existsSync(join(config.dataDir, EMBEDDED_QUEUE_FILE)) && (await probe(redis.host, redis.port, 300)) ? 'redis' : 'embedded'
  writeAtomically(path, { engine })
  logger.info(
    'queue',
    engine === 'redis'
      ? `hits go to the Redis that answers at ${redis.host}:${redis.port}`
      : `hits go to the embedded queue: there is one, or no Redis answers at ${redis.host}:${redis.port}`,
  )
  return engine
}
