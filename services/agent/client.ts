import { hc } from 'hono/client'
import type { AgentApp } from './app.ts'

/**
 * The typed client of the agent, made from its routes.
 * @param baseUrl as `http://localhost:8081`
 */
export const createAgentClient = (baseUrl: string, options: { readonly fetch?: typeof fetch } = {}) => hc<AgentApp>(baseUrl, options)
