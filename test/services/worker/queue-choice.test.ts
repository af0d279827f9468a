import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { loadWorkerConfig } from '#services/worker/config.ts'
import { chooseQueue, redisAnswers } from '#services/worker/queue-choice.ts'
import { TempFolder } from '#test/_support/temp.ts'

const answers = (redis: boolean) => async () => redis
const never = async () => {
  throw new Error('a Redis that nobody named must not be looked for')
}
const choose = (dataDir: string, env: Readonly<Record<string, string>>, probe: typeof redisAnswers) =>
  chooseQueue(loadWorkerConfig({ DATA_DIR: dataDir, ...env }), silentLogger, probe)

describe('HIT_QUEUE', () => {
  test.each([['redis'], ['embedded']])('%s is what it says, whatever answers', async (queue) => {
    using folder = new TempFolder()
    expect(await choose(folder.path, { HIT_QUEUE: queue }, never)).toBe(queue)
    expect(existsSync(folder.file('queue-engine.json'))).toBe(false)
  })

  test.each([[{ REDIS_HOST: 'redis' }], [{ REDIS_URL: 'redis://redis:6379' }]])('auto with %o needs that Redis: no silent fallback', async (env) => {
    using folder = new TempFolder()
    expect(await choose(folder.path, env, never)).toBe('redis')
  })

  test('auto keeps to the first choice: a Redis that appears or goes strands nothing', async () => {
    using without = new TempFolder()
    expect(await choose(without.path, {}, answers(false))).toBe('embedded')
    expect(await choose(without.path, {}, answers(true))).toBe('embedded')
    using withRedis = new TempFolder()
    expect(await choose(withRedis.path, {}, answers(true))).toBe('redis')
    expect(await choose(withRedis.path, {}, answers(false))).toBe('redis')
  })

  test('auto keeps to an embedded queue that is there, where the note of the choice is lost', async () => {
    using folder = new TempFolder()
    writeFileSync(folder.file('hits.db'), '')
    expect(await choose(folder.path, {}, answers(true))).toBe('embedded')
  })

  test('a damaged note is set aside, and what is there tells the choice: no hit is stranded', async () => {
    using embedded = new TempFolder()
    writeFileSync(embedded.file('queue-engine.json'), 'rubbish')
    writeFileSync(embedded.file('hits.db'), '')
    expect(await choose(embedded.path, {}, answers(true))).toBe('embedded')
    using redis = new TempFolder()
    expect(await choose(redis.path, {}, answers(true))).toBe('redis')
    writeFileSync(redis.file('queue-engine.json'), '')
    expect(await choose(redis.path, {}, answers(false))).toBe('redis')
    expect(await choose(redis.path, {}, never)).toBe('redis')
  })
})

describe('whether a Redis answers', () => {
  /** A TCP server that says `reply` to whatever it is told. */
  async function speaking(reply: string): Promise<{ port: number; close: () => void }> {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => reply !== '' && socket.write(reply))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return { port: address.port, close: () => server.close() }
  }

  test.each([
    ['+PONG\r\n', true],
    ['-NOAUTH Authentication required.\r\n', true],
    ['HTTP/1.1 400 Bad Request\r\n\r\n', false],
    ['', false],
  ])('one that says %j: %s', async (reply, expected) => {
    const server = await speaking(reply)
    expect(await redisAnswers('127.0.0.1', server.port, 200)).toBe(expected)
    server.close()
  })

  test('none where nothing listens', async () => {
    const server = await speaking('')
    server.close()
    expect(await redisAnswers('127.0.0.1', server.port, 200)).toBe(false)
  })
})
