import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { HitAcceptedSchema, HitResultSchema } from '#lib/contract/hit.ts'
import { dataOf, errorOf } from '#test/_support/controller.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { TestWorker } from '#test/_support/worker.ts'

/** A target that answers with its path. */
const target = () => StubServer.open((request, response) => void response.end(`hit ${request.path}`))

describe.each([['GET'], ['POST']])('%s /hit', (method) => {
  test('202 with a task id, whose result comes', async () => {
    await using server = await target()
    await using worker = await TestWorker.open()
    await worker.configure(`${server.url}/a`, 7)
    const accepted = await dataOf(await worker.request('/hit', { method }), 202, HitAcceptedSchema)
    expect(accepted.status).toBe('queued')
    const answer = await worker.request(`/hit/${accepted.task_id}?wait=10`)
    expect(answer.headers.get('Cache-Control')).toBe('no-store')
    const result = await dataOf(answer, 200, HitResultSchema)
    expect(result).toMatchObject({
      task_id: accepted.task_id,
      status: 'completed',
      status_code: 200,
      body: 'hit /a',
      attempts: 1,
      config_version: 7,
      size_bytes: 6,
      truncated: false,
    })
    expect(server.seen).toHaveLength(1)
    expect(server.seen[0]?.headers['idempotency-key']).toBe(accepted.task_id)
  })

  test('200 with wait, once it has ended', async () => {
    await using server = await target()
    await using worker = await TestWorker.open()
    await worker.configure(server.url)
    const result = await dataOf(await worker.request('/hit?wait=10', { method }), 200, HitResultSchema)
    expect(result).toMatchObject({ status: 'completed', body: 'hit /' })
  })

  test('202 with wait, where it does not end in time', async () => {
    await using worker = await TestWorker.open({ process: false })
    await worker.configure('http://localhost:1/')
    const accepted = await dataOf(await worker.request('/hit?wait=1', { method }), 202, HitAcceptedSchema)
    expect(await dataOf(await worker.request(`/hit/${accepted.task_id}`), 200, HitResultSchema)).toMatchObject({ status: 'queued' })
  })

  test('500 without a config, and without a url', async () => {
    await using worker = await TestWorker.open()
    expect((await errorOf(await worker.request('/hit', { method }), 500, 'ENQUEUE_FAILED')).message).toBe('no config available')
    for (const data of [{}, { url: '' }, { target: 'http://x' }]) {
      await dataOf(await worker.request('/config', { body: { version: 1, data } }), 200, z.unknown())
      expect((await errorOf(await worker.request('/hit', { method }), 500, 'ENQUEUE_FAILED')).message).toBe('no url configured')
    }
  })

  test.each(['abc', '-1', '61', '1.5', ''])('400: wait=%s', async (wait) => {
    await using worker = await TestWorker.open({ process: false })
    await worker.configure('http://localhost:1/')
    await errorOf(await worker.request(`/hit?wait=${wait}`, { method }), 400, 'INVALID_REQUEST')
  })

  test('the same Idempotency-Key gives the same task; a malformed one is refused', async () => {
    await using worker = await TestWorker.open({ process: false })
    await worker.configure('http://localhost:1/')
    const ids = await Promise.all(
      [1, 2, 3].map(
        async () => (await dataOf(await worker.request('/hit', { method, headers: { 'Idempotency-Key': 'order-1' } }), 202, HitAcceptedSchema)).task_id,
      ),
    )
    expect(new Set(ids).size).toBe(1)
    await errorOf(await worker.request('/hit', { method, headers: { 'Idempotency-Key': 'x'.repeat(256) } }), 400, 'INVALID_REQUEST')
  })
})

describe('/hit', () => {
  test('405 for HEAD, which would otherwise queue a hit', async () => {
    await using worker = await TestWorker.open({ process: false })
    await worker.configure('http://localhost:1/')
    const answer = await worker.request('/hit', { method: 'HEAD' })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('Allow')).toBe('GET, POST')
    expect(await worker.deps.queue.health()).toMatchObject({ counts: { queued: 0 } })
  })

  test('405 for other methods, with Allow', async () => {
    await using worker = await TestWorker.open()
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await worker.request('/hit', { method })
      await errorOf(answer, 405, 'METHOD_NOT_ALLOWED')
      expect(answer.headers.get('Allow')).toBe('GET, POST')
    }
  })

  test('a hit uses the config that the worker held when it was accepted', async () => {
    await using server = await target()
    await using worker = await TestWorker.open({ process: false })
    await worker.configure(`${server.url}/old`, 1)
    const accepted = await dataOf(await worker.request('/hit'), 202, HitAcceptedSchema)
    await worker.configure(`${server.url}/new`, 2)
    worker.process()
    const result = await dataOf(await worker.request(`/hit/${accepted.task_id}?wait=10`), 200, HitResultSchema)
    expect(result).toMatchObject({ body: 'hit /old', config_version: 1 })
  })

  test('a page in a browser cannot make it hit', async () => {
    await using worker = await TestWorker.open({ process: false })
    await worker.configure('http://localhost:1/')
    const pages: Readonly<Record<string, string>>[] = [
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      { 'Sec-Fetch-Site': 'cross-site' },
      { Host: 'evil.example:6002' },
    ]
    for (const headers of pages) {
      for (const [path, body] of [
        ['/hit', undefined],
        ['/config', { version: 9, data: {} }],
      ] as const) {
        await errorOf(await worker.request(path, { headers, ...(body ? { body } : { method: 'POST' }) }), 403, 'FORBIDDEN_ORIGIN')
      }
    }
    expect(worker.deps.holder.current?.version).toBe(1)
    expect(await worker.deps.queue.health()).toMatchObject({ counts: { queued: 0 } })
  })

  test('with a key of its own it needs the key, and nothing else', async () => {
    await using worker = await TestWorker.open({ env: { WORKER_API_KEY: 'the-key' }, process: false })
    await errorOf(await worker.request('/hit'), 401, 'UNAUTHORIZED')
    await errorOf(await worker.request('/hit', { headers: { 'X-API-Key': 'wrong' } }), 403, 'FORBIDDEN')
    await errorOf(await worker.request('/config', { body: { version: 1, data: {} } }), 401, 'UNAUTHORIZED')
    await dataOf(await worker.request('/config', { body: { version: 1, data: {} }, headers: { 'X-API-Key': 'the-key' } }), 200, z.unknown())
    await dataOf(await worker.request('/health'), 200, z.unknown())
    await dataOf(await worker.request('/ready'), 200, z.unknown())
  })
})

describe('GET /hit/:taskId', () => {
  test('404 for a task that never was', async () => {
    await using worker = await TestWorker.open()
    expect((await errorOf(await worker.request('/hit/0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10'), 404, 'NOT_FOUND')).message).toBe('task not found')
    await errorOf(await worker.request('/hit/..%2f..%2fetc'), 404, 'NOT_FOUND')
    await errorOf(await worker.request('/hit/x?wait=1'), 404, 'NOT_FOUND')
  })

  test('400 for a wait that is none', async () => {
    await using worker = await TestWorker.open()
    await errorOf(await worker.request('/hit/x?wait=soon'), 400, 'INVALID_REQUEST')
  })

  test('failed with a class, where the target refuses', async () => {
    await using worker = await TestWorker.open({ env: { WORKER_RETRY_MAX: '0' } })
    const gone = await target()
    await gone[Symbol.asyncDispose]()
    await worker.configure(gone.url)
    const result = await dataOf(await worker.request('/hit?wait=10'), 200, HitResultSchema)
    expect(result).toMatchObject({ status: 'failed', error_class: 'connection_refused', attempts: 1 })
    expect(result.body).toBeUndefined()
  })

  test('a held request is answered when the worker begins to stop', async () => {
    const worker = await TestWorker.open({ process: false })
    await worker.configure('http://localhost:1/')
    const { task_id } = await dataOf(await worker.request('/hit'), 202, HitAcceptedSchema)
    const held = worker.request(`/hit/${task_id}?wait=60`)
    let over = false
    void held.then(() => (over = true))
    await vi.waitFor(async () => expect((await worker.request(`/hit/${task_id}`)).status).toBe(200))
    expect(over).toBe(false)
    const answer = dataOf(await stopAnd(worker, held), 200, HitResultSchema)
    expect(await answer).toMatchObject({ status: 'queued' })
  })
})

/** Stops a worker and gives the answer that a held request then got. */
async function stopAnd(worker: TestWorker, held: Promise<Response>): Promise<Response> {
  const [answer] = await Promise.all([held, worker[Symbol.asyncDispose]()])
  return answer
}
