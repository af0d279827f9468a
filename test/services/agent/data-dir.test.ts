import { mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { FileLockedError } from '#lib/sqlite/lock.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { startAgent } from '#services/agent/start.ts'
import { GoController, serveGo } from '#test/_support/go-system.ts'
import { agentStatus, startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 15_000, interval: 10 }
/** Nobody listens there. */
const nobody = { CONTROLLER_URL: 'http://127.0.0.1:9', WORKER_URL: 'http://127.0.0.1:9' }

test('a second agent on the same DATA_DIR stops with exit code 75 and names the first; after a kill -9 it may have it', { timeout: 40_000 }, async () => {
  using folder = new TempFolder()
  await using controller = await serveGo(new GoController())
  const env = { DATA_DIR: folder.path, ...nobody, CONTROLLER_URL: controller.url }
  await using first = startService('agent', env)
  const port = await first.listening()
  await using second = startService('agent', env)
  expect(await second.ended).toEqual({ code: 75, signal: null })
  expect(second.stderr).toMatch(
    new RegExp(
      `^\\[init\\] Cannot start: cannot use ".*agent-instance\\.json": it is held by the agent with process id ${first.pid} on host .*\\. Stop that process first, or give each agent a DATA_DIR of its own\\n$`,
    ),
  )
  await vi.waitFor(async () => expect((await agentStatus(port)).controller.state).toBe('following'), soon)
  first.signal('SIGKILL')
  await first.ended
  await using third = startService('agent', env)
  await third.listening()
})

describe('in one process', () => {
  const start = (folder: TempFolder, port = 0, logger = silentLogger) =>
    startAgent(loadAgentConfig({ DATA_DIR: folder.path, AGENT_PORT: String(port), ...nobody }), { logger })
  const now = () => AbortSignal.abort()

  test('it is given back when the agent stops, not before', async () => {
    using folder = new TempFolder()
    for (let n = 0; n < 2; n++) {
      const agent = await start(folder)
      await expect(start(folder)).rejects.toThrow(FileLockedError)
      await agent.stop(now())
    }
  })

  test('it is given back where the start fails: the port is in use, or a file cannot be read', async () => {
    using folder = new TempFolder()
    using other = new TempFolder()
    const inTheWay = await start(other)
    await expect(start(folder, inTheWay.port)).rejects.toThrow(/is in use/)
    await inTheWay.stop(now())
    const agent = await start(folder)
    await agent.stop(now())

    const instance = folder.file('agent-instance.json')
    rmSync(instance)
    mkdirSync(instance)
    await expect(start(folder)).rejects.toThrow(/cannot read/)
    rmdirSync(instance)
    const again = await start(folder)
    await again.stop(now())
  })

  test('where no lock can be had, as on a disk that is full, it says so and runs', async () => {
    using folder = new TempFolder()
    mkdirSync(folder.file('agent-instance.json.lock'))
    const warnings: string[] = []
    const agent = await start(folder, 0, { ...silentLogger, warn: (_part, message) => void warnings.push(message) })
    await agent.stop(now())
    expect(warnings).toContain('DATA_DIR cannot be locked: nothing keeps a second agent out of it')
  })
})
