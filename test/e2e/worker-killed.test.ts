import { describe, expect, test, vi } from 'vitest'
import { TestRedis } from '#test/_support/redis.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { finalResult, queueHit, startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 20_000, interval: 10 }
const HITS = 40

/** Queues hits until `count` were acknowledged; gives their ids. */
async function acknowledged(port: number, count: number): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => queueHit(port)))
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202))
  return answers.flatMap(({ taskId }) => taskId ?? [])
}

/** A worker killed by kill -9 in the middle of hits: all that were acknowledged finish after the restart. */
async function killInTheMiddle(env: Readonly<Record<string, string>>): Promise<void> {
  using folder = new TempFolder()
  const pending: (() => void)[] = []
  let open = false
  await using server = await StubServer.open((_request, response) => {
    if (open) response.end('done')
    else pending.push(() => response.end('done'))
  })
  const start = () => startService('worker', { DATA_DIR: folder.path, ...env })
  const ids: string[] = []
  for (let kill = 0; kill < 2; kill++) {
    const before = pending.length
    await using worker = start()
    const port = await worker.listening()
    await fetch(`http://127.0.0.1:${port}/config`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ version: 1, data: { url: server.url } }),
    })
    ids.push(...(await acknowledged(port, HITS / 2)))
    // Some are in the middle of their request, the others wait.
    await vi.waitFor(() => expect(pending.length).toBeGreaterThan(before), soon)
    worker.signal('SIGKILL')
    expect((await worker.ended).signal).toBe('SIGKILL')
  }
  open = true
  await using worker = start()
  const port = await worker.listening()
  const results = await Promise.all(ids.map((id) => finalResult(port, id, 30)))
  expect(results.map((result) => result?.status)).toEqual(ids.map(() => 'completed'))
  expect(results.every((result) => result?.attempts === 1)).toBe(true)
  expect(new Set(ids).size).toBe(HITS)
}

describe('a worker killed by kill -9, twice, in the middle of hits', () => {
  test('embedded: every acknowledged hit ends, and being killed costs no attempt', { timeout: 90_000 }, () => killInTheMiddle({ HIT_QUEUE: 'embedded' }))

  test('Redis: every acknowledged hit ends, and being killed costs no attempt', { timeout: 90_000 }, async () => {
    await using redis = await TestRedis.start()
    await killInTheMiddle({ HIT_QUEUE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) })
  })
})

test('Redis gone: 503 within a second, one log line for the outage, recovery without a restart', { timeout: 90_000 }, async () => {
  using folder = new TempFolder()
  await using server = await StubServer.open((_request, response) => void response.end('done'))
  await using redis = await TestRedis.start()
  await using worker = startService('worker', { DATA_DIR: folder.path, HIT_QUEUE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) })
  const port = await worker.listening()
  await fetch(`http://127.0.0.1:${port}/config`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ version: 1, data: { url: server.url } }),
  })
  const [before = ''] = await acknowledged(port, 1)
  expect(await finalResult(port, before)).toMatchObject({ status: 'completed' })

  await redis.kill()
  await vi.waitFor(async () => {
    const started = performance.now()
    const answer = await fetch(`http://127.0.0.1:${port}/hit`)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('Retry-After')).toBe('1')
    expect(performance.now() - started).toBeLessThan(1500)
  }, soon)
  const lookup = await fetch(`http://127.0.0.1:${port}/hit/${before}`)
  expect(lookup.status).toBe(500)
  expect(await lookup.json()).toMatchObject({ error: { code: 'RESULT_FETCH_FAILED' } })
  expect((await fetch(`http://127.0.0.1:${port}/ready`)).status).toBe(503)
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200)

  await redis.start()
  await vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${port}/ready`)).status).toBe(200), soon)
  const [after = ''] = await acknowledged(port, 1)
  expect(await finalResult(port, after, 20)).toMatchObject({ status: 'completed' })
  // What was known before the outage still is: the append-only file has it.
  expect(await finalResult(port, before)).toMatchObject({ status: 'completed' })
  const complaints = worker.lines.filter(({ level }) => level >= 40)
  expect(complaints.map(({ msg }) => msg)).toHaveLength(1)
})
