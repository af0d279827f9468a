import { silentLogger } from '#lib/observe/logger.ts'
import type { Environment } from '#lib/runtime/env.ts'
import { createWorkerApp, type WorkerApp } from '#services/worker/app.ts'
import { loadWorkerConfig } from '#services/worker/config.ts'
import { openWorkerDeps, type WorkerDeps, type WorkerOverrides } from '#services/worker/deps.ts'
import { TempFolder } from './temp.ts'

/** A worker with a real queue of its own, called in process, until the test's scope ends. */
export class TestWorker implements AsyncDisposable {
  readonly folder: TempFolder
  readonly deps: WorkerDeps
  readonly app: WorkerApp
  readonly #close: () => Promise<void>

  private constructor(folder: TempFolder, opened: Awaited<ReturnType<typeof openWorkerDeps>>) {
    this.folder = folder
    this.deps = opened.deps
    this.app = createWorkerApp(opened.deps)
    this.#close = async () => {
      opened.stopWaiting()
      await opened.deps.queue.drain(AbortSignal.timeout(2000))
      await opened.deps.queue[Symbol.asyncDispose]()
      await opened.executor.close()
      folder[Symbol.dispose]()
    }
  }

  /**
   * @param options.process whether hits are processed; false leaves them in the queue
   */
  static async open(options: { readonly env?: Environment; readonly overrides?: WorkerOverrides; readonly process?: boolean } = {}): Promise<TestWorker> {
    const folder = new TempFolder()
    const config = loadWorkerConfig({ DATA_DIR: folder.path, HIT_QUEUE: 'embedded', ...options.env })
    const opened = await openWorkerDeps(config, { logger: silentLogger, ...options.overrides })
    if (options.process !== false) opened.deps.queue.start(opened.processor, { concurrency: config.concurrency })
    return new TestWorker(folder, opened)
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
  async configure(url: string, version = 1): Promise<void> {
    const answer = await this.request('/config', { body: { version, data: { url } } })
    if (answer.status !== 200) throw new Error(`the worker did not take the config: ${await answer.text()}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }
}
