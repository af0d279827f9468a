import type { z } from 'zod'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { type Batch, BatchAcceptedSchema, type BatchSchema, type ReportState } from '#lib/contract/fleet.ts'
import { FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { type AgentDetail, AgentDetailSchema, type AgentsPage, AgentsPageSchema } from '#lib/contract/inventory.ts'
import type { Store } from '#lib/store/port.ts'
import type { ControllerDeps } from '#services/controller/deps.ts'
import { dataOf, TestController } from '#test/_support/controller.ts'
import { HeldClock } from './held-clock.ts'

/** A controller whose time the test holds. */
export async function withHeldClock(overrides: Partial<ControllerDeps> = {}): Promise<{ readonly controller: TestController; readonly clock: HeldClock }> {
  const clock = new HeldClock()
  return { controller: await TestController.open({ overrides: { clock, ...overrides } }), clock }
}

/** Registers an agent by its hostname, and gives its id. */
export async function register(
  controller: TestController,
  hostname: string,
  more: object = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const body = { hostname, ip_address: '10.0.0.7', port: 8081, ...more }
  return (await dataOf(await controller.request('/register', { body, headers }), 201, RegisterResponseSchema)).agent_id
}

/** The agent as `GET /agents/:id` shows it. */
export const agentOf = async (controller: TestController, id: string): Promise<AgentDetail> =>
  dataOf(await controller.request(`/agents/${id}`), 200, AgentDetailSchema.strict())

/** A page of `GET /agents`. */
export const pageOf = async (controller: TestController, query: string): Promise<AgentsPage> =>
  dataOf(await controller.request(`/agents?${query}`), 200, AgentsPageSchema.strict())

/** The ids that a query finds on its first page. */
export const idsOf = async (controller: TestController, query: string): Promise<string[]> =>
  (await pageOf(controller, query)).agents.map((agent) => agent.agent_id)

/** The fleet at a glance. */
export const statusOf = async (controller: TestController) => dataOf(await controller.request('/status'), 200, FleetStatusSchema.strict())

/** Reports, and fails where the report is not taken. */
export async function report(controller: TestController, id: string, version: number, state: ReportState = 'applied', error?: string) {
  const answer = await controller.request(`/agents/${id}/report`, { body: { version, state, error } })
  if (answer.status !== 200) throw new Error(`the report was not taken: ${await answer.text()}`)
}

/** A poll of an agent: a read that says who it is and what it holds. */
export const poll = async (controller: TestController, id: string, held = 0, query = ''): Promise<Response> =>
  controller.request(`/config${query}`, { headers: { 'X-Agent-Id': id, 'If-None-Match': `"${held}"` } })

/** Sends a batch as a relay. */
export const batch = async (controller: TestController, relayId: string, body: z.input<typeof BatchSchema>) =>
  dataOf(await controller.request('/agents/reports', { body, headers: { 'X-Agent-Id': relayId } }), 200, BatchAcceptedSchema)

/** An agent of a batch. */
export const item = (agentId: string, more: Partial<Batch['agents'][number]> = {}): Batch['agents'][number] => ({
  agent_id: agentId,
  held_version: null,
  via: 'stream',
  age_ms: 0,
  ...more,
})

/** A store that counts the writes that reach it. */
export function counting(store: Store): { readonly store: Store; readonly writes: { registrations: number; states: number } } {
  const writes = { registrations: 0, states: 0 }
  return {
    writes,
    store: {
      ...store,
      registerAgent: (agent) => {
        writes.registrations++
        return store.registerAgent(agent)
      },
      saveAgentStates: (states) => {
        writes.states += states.length
        return store.saveAgentStates(states)
      },
    },
  }
}

/** A store that keeps nothing beyond its own answers: for a fleet whose disk is not what a test is about. */
export function forgetfulStore(clock: HeldClock): Store {
  const nothing = async () => undefined
  return {
    publish: () => Promise.reject(new Error('this store takes no config')),
    publishedWith: nothing,
    latest: nothing,
    byVersion: nothing,
    registerAgent: async (agent) => {
      const at = new Date(clock.now()).toISOString()
      return { ...agent, labels: agent.labels ?? {}, owner: agent.owner ?? null, registered_at: at, updated_at: at }
    },
    agents: async () => [],
    saveAgentStates: nothing,
    deleteAgent: async () => ({ seq: 1, hash: '' }),
    history: async () => ({ entries: [], more: false }),
    schema: async () => ({ revision: 0, stored: undefined }),
    setSchema: () => Promise.reject(new Error('this store takes no schema')),
    audit: async () => ({ entries: [], next: undefined, head: { seq: 0, hash: '' }, written: 0 }),
    keys: async () => [],
    addKey: () => Promise.reject(new Error('this store takes no key')),
    revokeKey: nothing,
    saveKeyUses: nothing,
    agentReports: async () => [],
    reportsOn: async () => [],
    sessions: async () => [],
    addSession: nothing,
    endSessions: nothing,
    backup: () => Promise.reject(new Error('this store keeps nothing')),
    checkWritable: nothing,
    [Symbol.asyncDispose]: nothing,
  }
}
