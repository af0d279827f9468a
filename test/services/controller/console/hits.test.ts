import { describe, expect, it } from 'vitest'
import { ConsoleWorker } from '#services/controller/console/worker.ts'
import { ConsoleUser } from '#test/_support/console.ts'
import { TestController } from '#test/_support/controller.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'

const task = '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10'
const ok = (data: unknown, status = 200) => ({ request_id: 'r', status, success: true, message: 'success', data })
const refused = (status: number, code: string, message: string) => ({ request_id: 'r', status, success: false, message, error: { code, message } })
const stats = {
  engine: 'embedded',
  paused: false,
  queued: 3,
  active: 1,
  delayed: 0,
  completed: 7,
  failed: 2,
  max_backlog: 10,
  oldest_queued_seconds: 1.5,
  wait_ms: { count: 1, p50: 2, p95: 2, p99: 2 },
  run_ms: { count: 1, p50: 5, p95: 5, p99: 5 },
  by_error_class: {},
  versions: [],
  outcomes: [],
  destinations: [{ origin: 'https://shop.example', active: 0, waiting: 1, circuit: 'open', reopens_at: '2026-11-24T09:00:00.000Z' }],
}

/** A console whose worker answers as it is told; what it was asked. */
async function withWorker(answer: (method: string, path: string) => unknown) {
  const worker = await StubServer.open((request, response) => {
    const body = answer(request.method, request.path)
    sendJson(response, (body as { status: number }).status, body)
  })
  const controller = await TestController.open({ overrides: { consoleWorker: new ConsoleWorker({ url: worker.url, apiKey: 'its-key' }) } })
  return {
    controller,
    worker,
    user: await ConsoleUser.login(controller),
    asked: () => worker.seen.map(({ method, path }) => `${method} ${path}`),
    [Symbol.asyncDispose]: async () => {
      await controller[Symbol.asyncDispose]()
      await worker[Symbol.asyncDispose]()
    },
  }
}

describe('the hits of the console', () => {
  it('are those of its worker, asked with its key, with its circuits and figures', async () => {
    await using at = await withWorker((_method, path) => ok(path.startsWith('/hits/stats') ? stats : { hits: [] }))
    const page = await at.user.get('/hits')
    expect(page.status).toBe(200)
    expect(page.text).toMatch(/Queued 3 the oldest for 1\.5 s/)
    expect(page.text).toMatch(/https:\/\/shop\.example ✕ open/)
    expect(page.text).toContain('Run 2 failed hits again')
    expect(at.worker.seen.every(({ headers }) => headers['x-api-key'] === 'its-key')).toBe(true)
    expect(at.asked().sort()).toEqual(['GET /hits/stats', 'GET /hits?limit=50'])
  })

  it('are tried, retried, paused and resumed by forms, each form once', async () => {
    let left = 2
    await using at = await withWorker((_method, path) => {
      if (path === '/hits/retry') return ok({ retried: 1, remaining: --left > 0 })
      if (path === '/hits/pause' || path === '/hits/resume') return ok({ paused: path === '/hits/pause' })
      return ok({ task_id: task, status: 'queued' }, 202)
    })
    const tried = await at.user.post('/hits/try', { once: 'form-1' })
    expect([tried.status, tried.headers.get('Location')]).toEqual([303, `/console/hits/${task}`])
    expect(at.worker.seen.at(-1)?.headers['idempotency-key']).toBe('form-1')
    for (const [path, location] of [
      ['/hits/pause', '/console/hits'],
      ['/hits/resume', '/console/hits'],
      ['/hits/retry', '/console/hits'],
      [`/hits/${task}/retry`, `/console/hits/${task}`],
    ] as const)
      expect((await at.user.post(path)).headers.get('Location')).toBe(location)
    // The overview, where the forms' token is read, asks for news of its own.
    expect(at.asked().filter((one) => one.startsWith('POST'))).toEqual([
      'POST /hit',
      'POST /hits/pause',
      'POST /hits/resume',
      'POST /hits/retry',
      'POST /hits/retry',
      `POST /hit/${task}/retry`,
    ])
  })

  it.each([
    ['refuses its key', refused(403, 'FORBIDDEN', 'invalid API key'), /answered 403: invalid API key; is WORKER_API_KEY of this controller its key/],
    ['answers something else', { status: 200, hello: 1 }, /unexpected body/],
  ])('say so where the worker %s, and the overview too', async (_name, answer, message) => {
    await using at = await withWorker(() => answer)
    const page = await at.user.get('/hits')
    expect([page.status, page.text]).toEqual([503, expect.stringMatching(message)])
    await expect.poll(async () => (await at.user.get('')).text, { timeout: 10_000 }).toMatch(message)
    expect((await at.user.get('')).status).toBe(200)
  })

  it('say so where there is no worker, or it is away', async () => {
    await using none = await TestController.open()
    const page = await (await ConsoleUser.login(none)).get('/hits')
    expect([page.status, page.text]).toEqual([404, expect.stringContaining('set CONSOLE_WORKER_URL')])
    const gone = await StubServer.open(() => {})
    await gone[Symbol.asyncDispose]()
    await using controller = await TestController.open({ overrides: { consoleWorker: new ConsoleWorker({ url: gone.url }) } })
    const user = await ConsoleUser.login(controller)
    const away = await user.get('/hits')
    expect([away.status, away.text]).toEqual([503, expect.stringMatching(/the worker at .* does not answer as it should: connect ECONNREFUSED/)])
    expect((await user.post('/hits/try')).status).toBe(503)
  })

  it('tell what the worker refuses in its own words', async () => {
    await using at = await withWorker((method) =>
      method === 'POST' ? refused(429, 'BACKLOG_FULL', 'Cannot queue the hit: the backlog is full') : refused(404, 'NOT_FOUND', 'task not found'),
    )
    const tried = await at.user.post('/hits/try')
    expect([tried.status, tried.text]).toEqual([429, expect.stringContaining('the backlog is full')])
    const missing = await at.user.get(`/hits/${task}`)
    expect([missing.status, missing.text]).toEqual([404, expect.stringContaining('task not found')])
  })
})
