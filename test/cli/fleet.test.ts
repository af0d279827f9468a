import { describe, expect, it, vi } from 'vitest'
import { AgentsPageSchema } from '#lib/contract/inventory.ts'
import { dcm, withController } from '#test/_support/dcm.ts'

type Controller = Awaited<ReturnType<typeof withController>>['controller']
const register = (controller: Controller, hostname: string, more: object = {}) =>
  controller.request('/register', { body: { hostname, ip_address: '10.0.0.7', port: 8081, ...more } })

describe('agents', () => {
  it('lists all of them, however many pages that are', async () => {
    const { controller, json } = await withController()
    await using _ = controller
    await Promise.all(Array.from({ length: 2050 }, (_, n) => register(controller, `host-${n}`)))
    const { agents } = AgentsPageSchema.parse(await json('agents'))
    expect(new Set(agents.map(({ hostname }) => hostname)).size).toBe(2050)
  })

  it('filters by state, version, label and whether they are online', async () => {
    const { controller, json, run } = await withController()
    await using _ = controller
    await register(controller, 'a', { labels: { zone: 'eu:1' } })
    await register(controller, 'b', { labels: { zone: 'us' } })
    const hosts = async (...args: string[]) => AgentsPageSchema.parse(await json('agents', ...args)).agents.map(({ hostname }) => hostname)
    expect(await hosts('--label', 'zone=eu:1')).toEqual(['a'])
    expect(await hosts('--state', 'registered')).toEqual(['a', 'b'])
    expect(await hosts('--state', 'failed')).toEqual([])
    expect(await hosts('--version', '3')).toEqual([])
    expect(await hosts('--online')).toEqual(['a', 'b'])
    expect(await hosts('--search', '10.0.0')).toEqual(['a', 'b'])
    expect(await hosts('--search', 'nobody')).toEqual([])
    expect(await hosts('--sort=-hostname')).toEqual(['b', 'a'])
    expect(await hosts('--offline')).toEqual([])
    expect((await run('agents')).stdout).toMatch(/^HOST +SEEN +STATE +RUNS +VIA +ID +ERROR\na +online +registered +- .*\nb /)
    for (const args of [['--online', '--offline'], ['--label', 'zone'], ['--state', 'x'], ['--version', 'x'], ['--sort', 'x'], ['nope']])
      expect((await run('agents', ...args)).exit, args.join(' ')).toBe(64)
  })

  it('shows one, and forgets it', async () => {
    const { controller, run, json } = await withController()
    await using _ = controller
    await register(controller, 'web-01', { labels: { zone: 'eu-1', rack: '7' } })
    const [agent] = AgentsPageSchema.parse(await json('agents')).agents
    const id = agent?.agent_id ?? ''
    const shown = (await run('agent', id)).stdout
    expect(shown).toMatch(/^host +web-01\nid +[0-9a-f-]{36}\naddress +10\.0\.0\.7 port 8081\nlabels +(zone=eu-1, rack=7|rack=7, zone=eu-1)\n/)
    expect(await json('agent', id)).toMatchObject({ agent_id: id, hostname: 'web-01' })
    expect(await run('agents', 'delete', id)).toEqual({ exit: 0, stdout: `deleted ${id}\n`, stderr: '' })
    expect(await run('agent', id)).toMatchObject({ exit: 65, stderr: expect.stringContaining('[NOT_FOUND]') })
  })
})

describe('status', () => {
  it('shows the fleet at a glance', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    await register(controller, 'go-host')
    await controller.publish({ n: 1 })
    const { exit, stdout } = await run('status')
    expect(exit).toBe(0)
    expect(stdout).toMatch(
      /^latest version +1, of 20\d\d-.*\nconverged +nobody reports\nagents +1 of 1 online, 1 of them do not report\nby state +1 registered\nby version +1 runs none\n/,
    )
  })

  it('goes on with --watch until Ctrl-C, with --json a document a line', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    const interrupted = new AbortController()
    const { fleet } = controller.deps
    const real = fleet.status.bind(fleet)
    let asked = 0
    vi.spyOn(fleet, 'status').mockImplementation(async () => {
      if (++asked === 3) interrupted.abort()
      return real()
    })
    const ran = await dcm(['status', '--watch', '--json'], env, { signal: interrupted.signal })
    const lines = ran.stdout.trimEnd().split('\n')
    // The third was under way when it was interrupted.
    expect(lines.length).toBeGreaterThanOrEqual(2)
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ latest_version: null })
  })

  it('ends where nobody reads it any more', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    expect(await dcm(['status', '--watch'], env, { isOpen: () => false })).toMatchObject({ exit: 0, stderr: '' })
  })
})
