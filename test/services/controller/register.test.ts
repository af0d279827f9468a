import { describe, expect, it } from 'vitest'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { dataOf, errorOf, TestController } from '#test/_support/controller.ts'

const agent = { hostname: 'web-01', ip_address: '10.0.0.7', port: 8081 }
const instance = '9a1f6c0e-5d0f-4f5b-8a51-7b1f2f0a9c55'
const register = async (controller: TestController, body: object) =>
  dataOf(await controller.request('/register', { body }), 201, RegisterResponseSchema.strict())

describe('POST /register', () => {
  it('answers what a Go agent needs, and what it can do beyond', async () => {
    await using controller = await TestController.open()
    expect(await register(controller, agent)).toEqual({
      agent_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-/),
      status: 'active',
      poll_url: '/config',
      poll_interval_seconds: 30,
      capabilities: ['wait', 'stream', 'report'],
    })
  })

  it("names the latest config's interval", async () => {
    await using controller = await TestController.open()
    await controller.request('/config', { body: { data: {}, poll_interval_seconds: 5 } })
    expect((await register(controller, agent)).poll_interval_seconds).toBe(5)
  })

  it('gives the same id at each registration, on any controller', async () => {
    await using one = await TestController.open()
    await using other = await TestController.open()
    const { agent_id: id } = await register(one, agent)
    expect((await register(one, { ...agent, agent_version: '2', labels: { zone: 'eu' } })).agent_id).toBe(id)
    expect((await register(other, agent)).agent_id).toBe(id)
  })

  it('tells agents apart by hostname, address and port, or by instance_id alone', async () => {
    await using controller = await TestController.open()
    const all = [agent, { ...agent, port: 1 }, { ...agent, hostname: 'web-02' }, { ...agent, ip_address: '10.0.0.8' }, { ...agent, instance_id: instance }]
    const ids = await Promise.all(all.map(async (body) => (await register(controller, body)).agent_id))
    expect(new Set(ids).size).toBe(5)
    expect((await register(controller, { hostname: 'moved', ip_address: '::1', port: 2, instance_id: instance.toUpperCase() })).agent_id).toBe(ids[4])
  })

  it('stores what was sent, and brings it up to date', async () => {
    await using controller = await TestController.open()
    const sent = { ...agent, instance_id: instance, labels: { zone: 'eu-1' }, agent_version: '1.2.3' }
    const stored = async () => (await controller.deps.store.agents()).map((entry) => entry.agent)
    const { agent_id: id } = await register(controller, sent)
    expect(await stored()).toEqual([expect.objectContaining({ agent_id: id, ...sent })])
    await register(controller, { ...sent, port: 9 })
    expect(await stored()).toEqual([expect.objectContaining({ agent_id: id, port: 9 })])
  })

  it('names every field that is missing or wrong, and stores nothing', async () => {
    await using controller = await TestController.open()
    const error = await errorOf(await controller.request('/register', { body: { port: 0, labels: { zone: 7 }, instance_id: 'me' } }), 400, 'INVALID_REQUEST')
    expect(error.error.details?.map(({ path }) => path)).toEqual(['hostname', 'ip_address', 'port', 'instance_id', 'labels.zone'])
  })
})
