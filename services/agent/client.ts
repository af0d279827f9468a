import { hc } from 'hono/client'
import type { AgentApp } from './app.ts'

/**
 * The typed client of the agent, made from its routes.
 * @param baseUrl as `http://localhost:8081`
 * @param options.apiKey where the agent is a relay
 */
export const createAgentClient = (baseUrl: string, { apiKey, ...options }: { readonly apiKey?: string; readonly fetch?: typeof fetch } = {}) =>
  hc<AgentApp>(baseUrl, { ...options, ...(apiKey === undefined ? {} : { headers: { 'X-API-Key': apiKey } }) })
