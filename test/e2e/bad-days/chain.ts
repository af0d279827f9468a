import { expect, vi } from 'vitest'
import { ConfigSchema } from '#lib/contract/config.ts'
import { ConfigFeed } from '#lib/distribution/feed.ts'
import { ConfigStreams } from '#lib/distribution/streams.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { TestAgent } from '#test/_support/agent.ts'
import { BadProxy, type Behaviour } from '#test/_support/bad-proxy.ts'
import { dataOf, TestController } from '#test/_support/controller.ts'
import { GoWorker, serveGo } from '#test/_support/go-system.ts'
import type { StubServer } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** All times are a thirtieth of the real ones: heartbeats of 15 s, silence noticed after 30 s. */
export const TIMES = { streamSilenceMs: 1000, waitSeconds: 1, requestTimeoutMs: 1000 }
const HEARTBEAT_MS = 500
/** An agent waits 1 s between tries here, jittered by 30 % both ways. */
export const BACKOFF_MS = { least: 700, most: 1300 }

/** A controller, a proxy and an agent with its worker. */
export class Chain implements AsyncDisposable {
  readonly controller: TestController
  readonly proxy: BadProxy
  readonly worker = new GoWorker()
  readonly workerServer: StubServer
  readonly agent: TestAgent
  readonly #folder = new TempFolder()
  readonly #since = performance.now()

  private constructor(controller: TestController, proxy: BadProxy, worker: GoWorker, workerServer: StubServer) {
    this.controller = controller
    this.proxy = proxy
    this.worker = worker
    this.workerServer = workerServer
    this.agent = new TestAgent({
      dataDir: this.#folder.path,
      settings: { controllerUrl: proxy.url, workerUrl: workerServer.url, pollIntervalSeconds: 1, workerCheckMs: 1000, ...TIMES },
    })
  }

  /** @param behaviour of the proxy from the very start */
  static async open(behaviour: Behaviour = { kind: 'pass' }): Promise<Chain> {
    const feed = new ConfigFeed(undefined)
    const presence = { seen: () => {}, attach: () => () => {} }
    const streams = new ConfigStreams({ feed, presence, logger: silentLogger, limits: { heartbeat_ms: HEARTBEAT_MS } })
    const controller = await TestController.open({ env: { API_KEY: 'default-api-key' }, overrides: { feed, streams } })
    const proxy = await BadProxy.open((await controller.listen()).port)
    proxy.behaviour = behaviour
    const worker = new GoWorker()
    return new Chain(controller, proxy, worker, await serveGo(worker))
  }

  async publish(data: Readonly<Record<string, unknown>> = {}): Promise<number> {
    const body = { data, poll_interval_seconds: 1 }
    const answer = await this.controller.request('/config', { body, key: 'default-api-key', headers: { Host: 'localhost' } })
    return (await dataOf(answer, 201, ConfigSchema)).version
  }

  /** Waits until the worker has a version. */
  async arrives(version: number, timeout: number = 20_000): Promise<void> {
    await vi.waitFor(() => expect(this.worker.config?.version).toBe(version), { timeout, interval: 5 })
  }

  async followsBy(via: 'stream' | 'wait' | null): Promise<void> {
    await vi.waitFor(() => expect(this.agent.follower.status.via).toBe(via), { timeout: 20_000, interval: 5 })
  }

  /** Whatever the path does: the agent begins anew at most once in a backoff, and asks little in between. */
  expectQuiet(publishes: number): void {
    const elapsed = performance.now() - this.#since
    const begins = this.proxy.count('/register')
    expect(begins).toBeLessThanOrEqual(1 + elapsed / BACKOFF_MS.least)
    // A begin is a registration, a read and a stream; a long poll is held for half of its time at least, or has news.
    const longPolls = 1 + publishes + elapsed / (TIMES.waitSeconds * 500)
    expect(this.proxy.following).toBeLessThanOrEqual(3 * begins + longPolls)
    // What the worker does with a version, once more after each begin, and tried again no sooner than anything else.
    const reports = this.proxy.requests.length - this.proxy.following
    expect(reports).toBeLessThanOrEqual(2 * publishes + begins + elapsed / BACKOFF_MS.least)
    expect(this.proxy.connections).toBeLessThanOrEqual(this.proxy.requests.length + begins)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]()
    await this.proxy[Symbol.asyncDispose]()
    await this.workerServer[Symbol.asyncDispose]()
    await this.controller[Symbol.asyncDispose]()
    this.#folder[Symbol.dispose]()
  }
}
