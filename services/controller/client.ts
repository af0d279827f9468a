import { hc } from 'hono/client'
import type { ControllerApp } from './app.ts'

/** How to reach a controller. */
export interface ControllerClientOptions {
  /** The key; or what gives the present one for each request, where it changes. */
  readonly apiKey: string | (() => string)
  /** Replaces the global fetch: for timeouts and limits, or for calling an app in the same process. */
  readonly fetch?: typeof fetch
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * The typed client of the controller, made from its routes.
 * @param baseUrl as `http://localhost:6001`
 * @example
 * const controller = createControllerClient('http://localhost:6001', { apiKey: 'default-api-key' })
 * const answer = await controller.config.$get({ query: {}, header: {} })
 */
export const createControllerClient = (baseUrl: string, options: ControllerClientOptions) =>
  hc<ControllerApp>(baseUrl, {
    headers: () => ({ ...options.headers, 'X-API-Key': typeof options.apiKey === 'string' ? options.apiKey : options.apiKey() }),
    ...(options.fetch ? { fetch: options.fetch } : {}),
  })
