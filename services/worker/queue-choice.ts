import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import type { Logger } from '#lib/observe/logger.ts'
import { writeAtomically } from '#lib/runtime/atomic-file.ts'
import { readChecked } from '#lib/runtime/stored-file.ts'
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
  const note = readChecked(path, ChoiceSchema, { what: 'the note of the chosen queue', instead: 'the choice is read from what is there', logger })
  const engine = typeof note === 'string' ? await chooseByWhatIsThere(config, note === 'unusable', logger, probe) : note.engine
  if (typeof note === 'string') writeAtomically(path, { engine })
  else logger.info('queue', `hits go to the ${engine} queue, as at the first start here (HIT_QUEUE chooses another)`)
  return engine
}

/**
 * The choice where no note tells it: an embedded queue that is there may hold hits; and where a note was there and
 * is damaged, and no embedded queue is, Redis was chosen, since the other choice would have made one.
 */
async function chooseByWhatIsThere(
  config: Pick<WorkerServiceConfig, 'redis' | 'dataDir'>,
  chosenBefore: boolean,
  logger: Logger,
  probe: typeof redisAnswers,
): Promise<QueueEngine> {
  const { host, port } = config.redis
  if (existsSync(join(config.dataDir, EMBEDDED_QUEUE_FILE))) {
    logger.info('queue', 'hits go to the embedded queue: there is one here already')
    return 'embedded'
  }
  if (chosenBefore) {
    logger.warn('queue', 'hits go to Redis: the note of the choice is damaged, and an embedded queue would have left its file (HIT_QUEUE chooses another)')
    return 'redis'
  }
  const answers = await probe(host, port, 300)
  logger.info('queue', answers ? `hits go to the Redis that answers at ${host}:${port}` : `hits go to the embedded queue: no Redis answers at ${host}:${port}`)
  return answers ? 'redis' : 'embedded'
}
