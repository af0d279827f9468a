import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { HitKeys } from '#lib/queue/bullmq/keys.ts'
import { RedisPause } from '#lib/queue/bullmq/pause.ts'
import { TestRedis } from '../../_support/redis.ts'

async function opened() {
  const redis = await TestRedis.start()
  const client = new Redis({ port: redis.port })
  return {
    client,
    pause: new RedisPause(client, new HitKeys(false)),
    [Symbol.asyncDispose]: async () => {
      client.disconnect()
      await redis[Symbol.asyncDispose]()
    },
  }
}

test('a hit that is handed out while a pause is on its way is held, and so are those after it, on a Redis that has not heard of the script', async () => {
  await using on = await opened()
  const paused = on.pause.set(true)
  const held = on.pause.holds()
  await paused
  expect([await held, on.pause.pausedHere, await on.pause.holds()]).toEqual([true, true, true])
})

test('a hit that was asked about before a pause is asked about again', async () => {
  await using on = await opened()
  await on.pause.set(true)
  // Resumed elsewhere, so that this one still asks.
  await new RedisPause(on.client, new HitKeys(false)).set(false)
  const held = on.pause.holds()
  await on.pause.set(true)
  expect([await held, await on.pause.holds()]).toEqual([true, true])
})

test('a pause that comes before the answer of a resume stays one', async () => {
  await using on = await opened()
  await on.pause.set(true)
  const resumed = on.pause.set(false)
  const paused = on.pause.set(true)
  await Promise.all([resumed, paused])
  expect([on.pause.pausedHere, await on.pause.holds()]).toEqual([true, true])
})

test('one that was resumed elsewhere asks once more, and then no longer', async () => {
  await using on = await opened()
  await on.pause.set(true)
  await new RedisPause(on.client, new HitKeys(false)).set(false)
  expect([await on.pause.holds(), on.pause.pausedHere]).toEqual([false, false])
})
