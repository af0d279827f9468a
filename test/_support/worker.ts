import { type Listening, type RequestTimeouts, serve } from '#lib/http/serve.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import type { Environment } from '#lib/runtime/env.ts'
import { createWorkerApp, type WorkerApp } from '#services/worker/app.ts'
import { loadWorkerConfig } from '#services/worker/config.ts'
import { openWorkerDeps, type WorkerDeps, type WorkerOverrides } from '#services/worker/deps.ts'
import { createHitLane } from '#services/worker/fast-lane.ts'
import { TempFolder } from './temp.ts'

/** A worker with a real queue of its own, called in process or over a socket, until the test's scope ends. */
export class TestWorker implements AsyncDisposable {
  readonly folder: TempFolder
  readonly deps: WorkerDeps
  readonly app: WorkerApp
  readonly #opened: Awaited<ReturnType<typeof openWorkerDeps>>
  readonly #concurrency: number
  readonly #stopping = new AbortController()
  readonly #listening: Listening[] = []
  #scheduled: Promise<void> | undefined

  private constructor(folder: TempFolder, opened: Awaited<ReturnType<typeof openWorkerDeps>>, concurrency: number) {
    this.folder = folder
    this.deps = opened.deps
    this.app = createWorkerApp(opened.deps)
    this.#opened = opened
    this.#concurrency = concurrency
  }

  /**
   * @param options.process whether hits are processed; false leaves them in the queue
   * @param options.schedule whether it hits by itself where its config says so
   */
  static async open(
    options: { readonly env?: Environment; readonly overrides?: WorkerOverrides; readonly process?: boolean; readonly schedule?: boolean } = {},
  ): Promise<TestWorker> {
    const folder = new TempFolder()
    const config = loadWorkerConfig({ DATA_DIR: folder.path, HIT_QUEUE: 'embedded', ...options.env })
    const opened = await openWorkerDeps(config, { logger: silentLogger, ...options.overrides })
    const worker = new TestWorker(folder, opened, config.concurrency)
    if (options.process !== false) worker.process()
    if (options.schedule) worker.#scheduled = opened.scheduler.run(worker.#stopping.signal)
    return worker
  }

  /** Begins to process hits. */
  process(): void {
    this.deps.queue.start(this.#opened.processor, { concurrency: this.#concurrency })
  }

  /** Serves the app on a port that the kernel chose, until the test's scope ends. */
  async listen(timeouts?: RequestTimeouts): Promise<{ readonly port: number; readonly url: string }> {
    const listening = await serve({
      fetch: this.app.fetch,
      fastLane: createHitLane(this.deps),
      requests: this.deps.requests,
      port: 0,
      host: '127.0.0.1',
      name: 'worker',
      ...(timeouts ? { timeouts } : {}),
    })
    this.#listening.push(listening)
    return { port: listening.port, url: `http://127.0.0.1:${listening.port}` }
  }

  /** Calls the app as from this machine, without a socket. */
  async request(
    path: string,
    init: { readonly method?: string; readonly body?: object | string; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Response> {
    const { body } = init
    return this.app.request(`http://localhost${path}`, {
      method: init.method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { Host: 'localhost', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...init.headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  }

  /** Gives it a config whose url is `url`; fails where it is not taken. */
  async configure(url: string, version = 1, data: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const answer = await this.request('/config', { body: { version, data: { url, ...data } } })
    if (answer.status !== 200) throw new Error(`the worker did not take the config: ${await answer.text()}`)
  }

  /** Stops it as a worker stops; its folder stays until the test's scope ends. */
  async stop(): Promise<void> {
    const { deps, executor, stopWaiting } = this.#opened
    stopWaiting()
    this.#stopping.abort()
    for (const listening of this.#listening) await listening.close(AbortSignal.abort())
    await deps.queue.drain(AbortSignal.timeout(2000))
    await this.#scheduled
    await deps.queue[Symbol.asyncDispose]()
    await executor.close()
    deps.metrics.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    this.folder[Symbol.dispose]()
  }
}
