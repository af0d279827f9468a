import { writeFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import type { HitQueue } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { freePort, TestRedis } from '../../_support/redis.ts'
import { TestCluster } from '../../_support/redis-cluster.ts'
import { startSentinel } from '../../_support/redis-sentinels.ts'
import { testTls } from '../../_support/redis-tls.ts'
import { TempFolder } from '../../_support/temp.ts'
import { completed, newJob, recordingLogger, until } from '../../conformance/harness.ts'

const password = 'p@ss:w/rd'

/** A Redis that is reached by TLS only and wants a password. */
async function secured(folder: TempFolder): Promise<{ readonly redis: TestRedis; readonly ca: string }> {
  const tls = testTls(folder)
  const redis = await TestRedis.start((port) => [...tls.settings(port), '--requirepass', password])
  return { redis, ca: tls.ca }
}

test('rediss:// with a password: hits are taken, run and found, and what is sent is encrypted', async () => {
  using folder = new TempFolder()
  const { redis: server, ca } = await secured(folder)
  await using redis = server
  const { logger, lines } = recordingLogger()
  const target = { url: `rediss://:${encodeURIComponent(password)}@127.0.0.1:${redis.port}`, host: '', port: 0, ca, db: 0, queueDb: 1 }
  await using queue = await openRedisHitQueue({ redis: target, logger, clock: systemClock })
  queue.start(async () => completed, { concurrency: 2 })
  const job = newJob()
  await queue.enqueue(job)
  expect(await queue.waitForEnd(job.task_id, AbortSignal.timeout(5000))).toMatchObject({ status: 'completed' })
  expect((await queue.health()).ok).toBe(true)
  const plain = new Redis({ port: redis.port, password, retryStrategy: () => null })
  plain.on('error', () => {})
  await expect(plain.ping()).rejects.toThrow()
  expect(lines).toEqual([])
})

/** What an enqueue says. */
const refusalOf = async (queue: HitQueue): Promise<string> => {
  const answer = await queue.enqueue(newJob()).catch((error: unknown) => error)
  if (!(answer instanceof Error)) throw new Error('the hit was taken')
  return answer.message
}

test.each([
  ['a certificate of somebody whom nobody named', '127.0.0.1', false, password, /self-signed certificate/],
  ['a certificate for another host', 'localhost', true, password, /does not match certificate's altnames/],
  ['another password', '127.0.0.1', true, 'wrong', /WRONGPASS/],
  ['no password', '127.0.0.1', true, undefined, /NOAUTH/],
])('%s: no hit is taken, and the reason is said, without the password', async (_name, host, trusted, given, reason) => {
  using folder = new TempFolder()
  const { redis: server, ca } = await secured(folder)
  await using redis = server
  const { logger, lines } = recordingLogger()
  const target = { url: `rediss://${host}:${redis.port}`, host: '', port: 0, password: given, ca: trusted ? ca : undefined, db: 0, queueDb: 1 }
  await using queue = await openRedisHitQueue({ redis: target, logger, clock: systemClock })
  queue.start(async () => completed, { concurrency: 2 })
  expect(await refusalOf(queue)).toMatch(reason)
  expect(await queue.health()).toMatchObject({ ok: false, warnings: [expect.stringMatching(reason)] })
  expect(lines.map(({ msg }) => msg)).toEqual([expect.stringMatching(reason)])
  expect(JSON.stringify(lines)).not.toContain('wrong')
})

/** Runs a hit to its end. */
async function runOne(queue: HitQueue): Promise<void> {
  queue.start(async () => completed, { concurrency: 2 })
  const job = newJob()
  await queue.enqueue(job)
  expect(await queue.waitForEnd(job.task_id, AbortSignal.timeout(10_000))).toMatchObject({ status: 'completed' })
  expect((await queue.health()).ok).toBe(true)
}

test('clusters:// reaches a Cluster by TLS, whatever node it is', async () => {
  using folder = new TempFolder()
  const tls = testTls(folder)
  await using cluster = await TestCluster.start({ masters: 2, tls })
  const { logger, lines } = recordingLogger()
  const target = { url: cluster.url.replace('cluster:', 'clusters:'), host: '', port: 0, ca: tls.ca, db: 0, queueDb: 0 }
  await using queue = await openRedisHitQueue({ redis: target, logger, clock: systemClock })
  await runOne(queue)
  expect(lines).toEqual([])
  // By a name that the certificate is not for, though it leads to the same address.
  await using misnamed = await openRedisHitQueue({ redis: { ...target, url: target.url.replaceAll('127.0.0.1', 'localhost') }, logger, clock: systemClock })
  expect(await refusalOf(misnamed)).toMatch(/does not match certificate's altnames/)
})

test('sentinels:// reaches sentinels and Redis by TLS', async () => {
  using folder = new TempFolder()
  const tls = testTls(folder)
  await using redis = await TestRedis.start((port) => tls.settings(port))
  const port = await freePort()
  const file = folder.file('sentinel.conf')
  const settings = [...tls.settings(port), '--bind', '127.0.0.1', '--dir', folder.path, '--sentinel', 'monitor', 'm', '127.0.0.1', String(redis.port), '1']
  writeFileSync(file, `${settings.join(' ').replaceAll(' --', '\n').replace('--', '')}\n`)
  await using _sentinel = startSentinel(file)
  const { logger, lines } = recordingLogger()
  const target = { url: `sentinels://127.0.0.1:${port}/m`, host: '', port: 0, ca: tls.ca, db: 0, queueDb: 1 }
  await using queue = await openRedisHitQueue({ redis: target, logger, clock: systemClock })
  await until('it is there', async () => (await queue.health()).ok)
  await runOne(queue)
  expect(lines.filter(({ msg }) => msg.includes('certificate'))).toEqual([])
})
