import { describe, expect, it, vi } from 'vitest'
import { HitAcceptedSchema } from '#lib/contract/hit.ts'
import { HitsPageSchema } from '#lib/contract/hits.ts'
import { dcm } from '#test/_support/dcm.ts'
import { type StubHandler, StubServer } from '#test/_support/stub-server.ts'
import { TestWorker } from '#test/_support/worker.ts'

const soon = { timeout: 15_000, interval: 5 }

/** A worker that hits a target, and the command against it. */
async function withWorker(target: StubHandler, options: Parameters<typeof TestWorker.open>[0] = {}) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await StubServer.open(target))
  const worker = stack.use(await TestWorker.open(options))
  const { url } = await worker.listen()
  await worker.configure(server.url)
  const env = { WORKER_URL: url, CONTROLLER_URL: 'http://127.0.0.1:1' }
  const run = (...args: string[]) => dcm(args, env)
  return { stack, worker, server, env, run, json: async (...args: string[]): Promise<unknown> => JSON.parse((await run(...args, '--json')).stdout) }
}

const hello: StubHandler = (_request, response) => void response.end('hello\u001b[2J\nagain')

describe('hit', () => {
  it('gives the task, or with --wait what came of it', async () => {
    const { stack, run, json } = await withWorker(hello)
    await using _ = stack
    const { exit, stdout } = await run('hit')
    expect([exit, stdout]).toEqual([0, expect.stringMatching(/^[0-9a-f-]{36}\n$/)])
    const waited = await run('hit', '--wait')
    expect(waited).toMatchObject({ exit: 0, stderr: '' })
    expect(waited.stdout).toMatch(/^task +[0-9a-f-]{36}\nstatus +completed\nanswer +200\n/)
    expect(waited.stdout).toMatch(/\n\nhello\ufffd\[2J\nagain\n$/)
    expect(await json('hit', '--wait')).toMatchObject({ status: 'completed', status_code: 200, body: 'hello\u001b[2J\nagain' })
    await vi.waitFor(async () => expect(await json('hits', 'show', stdout.trim())).toMatchObject({ status: 'completed' }), soon)
  })

  it('ends with 4 where it failed, and with 3 where it has not ended in time', async () => {
    const failing = await withWorker((_request, response) => void response.destroy(), { env: { WORKER_RETRY_MAX: '0' } })
    await using _failing = failing.stack
    const failed = await failing.run('hit', '--wait')
    expect(failed).toMatchObject({ exit: 4, stdout: expect.stringMatching(/status +failed[\s\S]*error +connection_reset/) })
    const hanging = await withWorker(() => {})
    await using _hanging = hanging.stack
    const late = await hanging.run('hit', '--wait', '--timeout', '1')
    expect(late).toMatchObject({ exit: 3, stderr: 'it has not ended in time, and goes on\n' })
  })

  it('gives the same task for the same key', async () => {
    const { stack, run } = await withWorker(hello)
    await using _ = stack
    const [one, other] = [await run('hit', '--idempotency-key', 'order-1'), await run('hit', '--idempotency-key', 'order-1')]
    expect(one.stdout).toBe(other.stdout)
  })

  it('says what is missing', async () => {
    await using worker = await TestWorker.open()
    const { url } = await worker.listen()
    expect(await dcm(['hit'], { WORKER_URL: url })).toMatchObject({
      exit: 69,
      stdout: '',
      stderr: expect.stringContaining('no config available [ENQUEUE_FAILED]'),
    })
    expect((await dcm(['hits', 'show', 'nope'], { WORKER_URL: url })).exit).toBe(65)
  })
})

describe('hits', () => {
  it('are listed, queued, paused, resumed and run again', async () => {
    let broken = true
    const target: StubHandler = (_request, response) => void (broken ? response.destroy() : response.end('ok'))
    const { stack, run, json } = await withWorker(target, { env: { WORKER_RETRY_MAX: '0' } })
    await using _ = stack
    expect((await run('hits', 'pause')).stdout).toBe('paused: hits are taken, and wait\n')
    const queued = await run('hits', 'queue', '3')
    expect(queued).toMatchObject({ exit: 0, stderr: 'queued 3 hits\n', stdout: expect.stringMatching(/^([0-9a-f-]{36}\n){3}$/) })
    expect((await run('hits', 'stats')).stdout).toMatch(/^queue +embedded, paused\nwaiting +3 queued/)
    expect((await run('hits', 'resume')).stdout).toBe('resumed\n')
    const failed = async () => HitsPageSchema.parse(await json('hits', '--state', 'failed')).hits
    await vi.waitFor(async () => expect(await failed()).toHaveLength(3), soon)
    expect((await run('hits', '--limit', '2')).stderr).toBe('there are more: --limit\n')
    expect((await run('hits')).stdout).toMatch(/^TASK .*\n([0-9a-f-]{36} +failed +connection_reset .*\n){3}$/)
    broken = false
    const [first] = await failed()
    expect(HitAcceptedSchema.parse(await json('hits', 'retry', first?.task_id ?? ''))).toMatchObject({ task_id: first?.task_id })
    await vi.waitFor(async () => expect(await failed()).toHaveLength(2), soon)
    expect((await run('hits', 'retry', '--failed')).stdout).toBe('queued 2 failed hits again\n')
    await vi.waitFor(async () => expect(await failed()).toEqual([]), soon)
    for (const args of [['retry'], ['retry', 'x', '--failed'], ['queue', '0'], ['queue'], ['--state', 'x']]) expect((await run('hits', ...args)).exit).toBe(64)
  })

  it('of a worker with a key need it', async () => {
    const { stack, env, run } = await withWorker(hello, { env: {} })
    await using _ = stack
    expect((await run('hits')).exit).toBe(0)
    await using locked = await TestWorker.open({ env: { WORKER_API_KEY: 'secret-of-it' } })
    const { url } = await locked.listen()
    expect(await dcm(['hits'], { ...env, WORKER_URL: url })).toMatchObject({ exit: 77 })
    expect(await dcm(['hits'], { ...env, WORKER_URL: url, WORKER_API_KEY: 'secret-of-it' })).toMatchObject({ exit: 0 })
  })
})
