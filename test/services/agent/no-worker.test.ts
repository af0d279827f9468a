import { expect, test, vi } from 'vitest'
import { FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { HealthSchema } from '#lib/contract/health.ts'
import { AgentsPageSchema } from '#lib/contract/inventory.ts'
import { StartError } from '#lib/runtime/env.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { dataOf, TestController } from '#test/_support/controller.ts'
import { TestRelay } from '#test/_support/relay.ts'

const soon = { timeout: 15_000, interval: 5 }

test('a relay without a worker counts as one that has applied what it holds, and shows that there is none', async () => {
  await using controller = await TestController.open()
  const { port } = await controller.listen()
  await using relay = await TestRelay.open({ controllerUrl: `http://127.0.0.1:${port}`, env: { WORKER_URL: 'none' } })
  for (const version of [1, 2]) {
    await controller.publish({ n: version })
    await vi.waitFor(async () => {
      const { agents } = await dataOf(await controller.request('/agents'), 200, AgentsPageSchema)
      expect(agents).toMatchObject([{ state: 'applied', held_version: version, applied_version: version }])
    }, soon)
  }
  expect(await dataOf(await controller.request('/status'), 200, FleetStatusSchema)).toMatchObject({ converged_ratio: 1 })
  const { worker, reports } = await relay.status()
  expect(worker).toEqual({ url: null, state: 'none', applied_version: null, last_error: null, next_attempt_at: null })
  expect(reports).toMatchObject({ version: 2, state: 'applied' })
  const health = await dataOf(await relay.fetch('/health'), 200, HealthSchema)
  expect(health).toMatchObject({ status: 'ok', warnings: [], parts: { worker: { state: 'none' } } })
})

/** Why a start with these variables is refused. */
const refusal = (env: Readonly<Record<string, string>>): string => {
  try {
    loadAgentConfig(env)
  } catch (error) {
    if (error instanceof StartError) return error.message
    throw error
  }
  throw new Error('it was not refused')
}

test('an agent that is no relay needs one', () => {
  const line = /^Cannot start: WORKER_URL is "none" and RELAY is not "true": .*set WORKER_URL to the worker of this host, or RELAY to true$/
  expect(refusal({ WORKER_URL: 'none' })).toMatch(line)
  expect(refusal({ WORKER_URL: 'none', RELAY: 'false' })).toMatch(line)
})

test('what is neither a URL nor none is refused by both', () => {
  expect(refusal({ RELAY: 'true', WORKER_URL: 'None' })).toMatch(
    /^Cannot start: WORKER_URL must be a URL like .*, or none where a relay has no worker, not "None"$/,
  )
  expect(loadAgentConfig({}).workerUrl).toBe('http://localhost:6002')
  expect(loadAgentConfig({ WORKER_URL: 'http://host:1/' }).workerUrl).toBe('http://host:1')
})
