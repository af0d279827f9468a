import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { systemClock } from '#lib/runtime/clock.ts'
import { dataOf, errorOf } from '#test/_support/controller.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { TestWorker } from '#test/_support/worker.ts'
import { engines } from '../engines.ts'

const soon = { timeout: 30_000, interval: 20 }
const HealthSchema = z.object({ warnings: z.array(z.string()), parts: z.object({ schedule: z.record(z.string(), z.unknown()).optional() }) })
const health = async (worker: TestWorker) => dataOf(await worker.request('/health'), 200, HealthSchema)

/** What a worker asked its queue for, tick by tick, and which hit it was given. */
function asked(worker: TestWorker): Map<string, string> {
  const given = new Map<string, string>()
  const { queue } = worker.deps
  const enqueue = queue.enqueue.bind(queue)
  queue.enqueue = async (job, options) => {
    const answer = await enqueue(job, options)
    if (options?.idempotencyKey !== undefined) given.set(options.idempotencyKey, answer.task_id)
    return answer
  }
  return given
}
const ticksOf = (given: ReadonlyMap<string, string>) => [...given.keys()].map((key) => Number(key.slice('schedule '.length)))

// They wait for ticks, and can do so together.
describe.concurrent.each(engines)('on the %s engine', (_engine, openStore) => {
  test('a worker hits by itself at each tick, until its config says otherwise', { timeout: 60_000 }, async () => {
    await using store = await openStore()
    await using target = await StubServer.open((_request, response) => void response.end())
    await using worker = await TestWorker.open({ env: store.env, schedule: true })
    const given = asked(worker)
    await worker.configure(target.url, 1, { schedule: { every_seconds: 1 } })
    await vi.waitFor(() => expect(target.seen.length).toBeGreaterThanOrEqual(3), soon)
    const [first = 0, ...rest] = ticksOf(given)
    expect(first % 1000).toBe(0)
    // A busy machine may miss one; none comes twice.
    for (const [index, tick] of rest.entries()) expect(tick).toBeGreaterThan(index === 0 ? first : (rest[index - 1] ?? 0))
    await vi.waitFor(async () => {
      const { schedule } = (await health(worker)).parts
      expect(schedule).toMatchObject({ schedule: { every_seconds: 1 }, skipped: null, last_task_id: [...given.values()].at(-1) })
    }, soon)
    await worker.configure(target.url, 2)
    expect((await health(worker)).parts.schedule).toBeUndefined()
    await vi.waitFor(() => expect(target.seen).toHaveLength(given.size), soon)
    expect(new Set(target.seen.map(({ headers }) => headers['idempotency-key']))).toEqual(new Set(given.values()))
  })

  test('a config that is given again by another request does not begin it anew', { timeout: 60_000 }, async () => {
    await using store = await openStore()
    await using target = await StubServer.open((_request, response) => void response.end())
    await using worker = await TestWorker.open({ env: store.env, schedule: true })
    const body = { version: 1, data: { url: target.url, schedule: { every_seconds: 1 } } }
    const give = (id: string) => worker.request('/config', { body, headers: { 'X-Request-Id': id } })
    await give('first')
    await vi.waitFor(() => expect(worker.deps.scheduler.status?.last_task_id).toEqual(expect.any(String)), soon)
    await give('second')
    expect(worker.deps.holder.current?.request_id).toBe('second')
    expect(worker.deps.scheduler.status?.last_task_id).not.toBeNull()
  })

  test('a target that does not come to an end is hit once, and /health says why no more often', { timeout: 60_000 }, async () => {
    const held: (() => void)[] = []
    await using store = await openStore()
    await using target = await StubServer.open((_request, response) => void held.push(() => response.end()))
    await using worker = await TestWorker.open({ env: store.env, schedule: true })
    await worker.configure(target.url, 1, { schedule: '{"every_seconds":1}' })
    await vi.waitFor(async () => {
      const { warnings } = await health(worker)
      expect(warnings).toEqual(
        expect.arrayContaining([expect.stringMatching(/^schedule: no hit was made at 2.*Z: the hit before, [0-9a-f-]{36}, has not ended$/)]),
      )
    }, soon)
    expect(target.seen).toHaveLength(1)
    held[0]?.()
    await vi.waitFor(() => expect(target.seen).toHaveLength(2), soon)
    // While it is paused there is nothing to be made up later.
    await worker.request('/hits/pause', { method: 'POST' })
    held[1]?.()
    await vi.waitFor(async () => expect((await health(worker)).parts.schedule?.skipped).toBe('the queue is paused'), soon)
    expect((await health(worker)).warnings.filter((warning) => warning.startsWith('schedule'))).toEqual([])
    expect(await worker.deps.queue.counts()).toMatchObject({ queued: 0 })
    await worker.request('/hits/resume', { method: 'POST' })
    await vi.waitFor(() => expect(target.seen).toHaveLength(3), soon)
    held[2]?.()
  })

  test('a worker that is started again goes on, and makes no tick twice', { timeout: 60_000 }, async () => {
    await using store = await openStore()
    await using target = await StubServer.open((_request, response) => void response.end())
    const ticks: number[] = []
    await using first = await TestWorker.open({ env: store.env, schedule: true })
    const given = asked(first)
    await first.configure(target.url, 1, { schedule: { every_seconds: 2 } })
    await vi.waitFor(() => expect(given.size).toBe(1), soon)
    ticks.push(...ticksOf(given))
    await first.stop()
    await using second = await TestWorker.open({ env: { ...store.env, DATA_DIR: first.folder.path }, schedule: true })
    const after = asked(second)
    await vi.waitFor(() => expect(after.size).toBe(3), soon)
    // It asks for the tick of before once more, since it may be the one that was missed, and is given the hit that was made.
    for (const [key, task] of after) if (given.has(key)) expect(task).toBe(given.get(key))
    const tasks = new Set([...given.values(), ...after.values()])
    await vi.waitFor(() => expect(target.seen).toHaveLength(tasks.size), soon)
    expect(new Set(target.seen.map(({ headers }) => headers['idempotency-key']))).toEqual(tasks)
  })
})

test.concurrent('two workers on one Redis, whose clocks differ by a second and a half: each tick has one hit', { timeout: 60_000 }, async () => {
  const [, openStore] = engines[1] ?? []
  if (!openStore) throw new Error('there is no second engine')
  await using store = await openStore()
  await using target = await StubServer.open((_request, response) => void response.end())
  await using one = await TestWorker.open({ env: store.env, schedule: true })
  await using other = await TestWorker.open({ env: store.env, schedule: true, overrides: { clock: { ...systemClock, now: () => Date.now() + 1500 } } })
  const given = [asked(one), asked(other)]
  for (const worker of [one, other]) await worker.configure(target.url, 1, { schedule: { every_seconds: 1 } })
  await vi.waitFor(() => expect(Math.min(...given.map(({ size }) => size))).toBeGreaterThanOrEqual(4), soon)
  const [mine, others] = given
  const both = [...(mine ?? [])].filter(([key]) => others?.has(key))
  expect(both.length).toBeGreaterThan(0)
  for (const [key, task] of both) expect(others?.get(key)).toBe(task)
  for (const worker of [one, other]) await worker.configure(target.url, 2)
  // One that was on its way may still come.
  await vi.waitFor(() => {
    const tasks = new Set(given.flatMap((all) => [...all.values()]))
    expect(new Set(given.flatMap((all) => [...all.keys()])).size).toBe(tasks.size)
    expect(new Set(target.seen.map(({ headers }) => headers['idempotency-key']))).toEqual(tasks)
    expect(target.seen).toHaveLength(tasks.size)
  }, soon)
})

test.each([
  { every_seconds: 0 },
  { every_seconds: 86_401 },
  { cron: '* * * * * *' },
  { cron: '0 0 30 2 *' },
  { cron: '* * * * *', timezone: 'Berlin' },
  {},
  'daily',
])('a schedule that is none never reaches the worker: %j', async (schedule) => {
  await using worker = await TestWorker.open({ process: false })
  const refused = await errorOf(await worker.request('/config', { body: { version: 1, data: { url: 'http://a/', schedule } } }), 400, 'INVALID_REQUEST')
  expect(refused.error.details?.every(({ path }) => path.startsWith('data.schedule'))).toBe(true)
  expect(worker.deps.holder.current).toBeUndefined()
})
