import { hc } from 'hono/client'
import type { WorkerApp } from './app.ts'

/** How to reach a worker. */
export interface WorkerClientOptions {
  /** The worker's WORKER_API_KEY, where it has one. */
  readonly apiKey?: string | undefined
  /** Replaces the global fetch: for timeouts and limits, or for calling an app in the same process. */
  readonly fetch?: typeof fetch
}

/**
 * The typed client of the worker, made from its routes.
 * @param baseUrl as `http://localhost:6002`
 * @example
 * const worker = createWorkerClient('http://localhost:6002')
 * const answer = await worker.hit.$get({ query: { wait: '10' }, header: {} })
 */
export const createWorkerClient = (baseUrl: string, options: WorkerClientOptions = {}) =>
  hc<WorkerApp>(baseUrl, { headers: options.apiKey === undefined ? {} : { 'X-API-Key': options.apiKey }, ...(options.fetch ? { fetch: options.fetch } : {}) })
