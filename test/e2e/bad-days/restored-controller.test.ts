import { copyFileSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { publishTo } from '#test/_support/publishing.ts'
import { linesWith, warned } from '#test/_support/said.ts'
import { steadyPort } from '#test/_support/steady-port.ts'
import { startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 30_000, interval: 20 }
const RunsSchema = z.object({ data: z.object({ version: z.number(), data: z.record(z.string(), z.unknown()) }) })

/** What a real worker runs. */
async function runs(port: number) {
  const { version, data } = RunsSchema.parse(await (await fetch(`http://127.0.0.1:${port}/config`)).json()).data
  return { version, data }
}

describe.concurrent('a controller restored from an older backup', { timeout: 90_000 }, () => {
  test.each([
    ['agents that run on', false],
    ['agents that were restarted meanwhile', true],
  ])(
    'a controller restored from an older backup: %s say so and follow, and new versions of old numbers reach all',
    {
      timeout: 90_000,
    },
    async (_which, restarted) => {
      using folder = new TempFolder()
      using agentFolder = new TempFolder()
      using workerFolder = new TempFolder()
      const port = await steadyPort()
      const startController = () => startService('controller', { DATA_DIR: folder.path, CONTROLLER_PORT: String(port) })
      await using worker = startService('worker', { DATA_DIR: workerFolder.path })
      const workerPort = await worker.listening()
      const startAgent = () =>
        startService('agent', { DATA_DIR: agentFolder.path, CONTROLLER_URL: `http://127.0.0.1:${port}`, WORKER_URL: `http://127.0.0.1:${workerPort}` })
      const workerRuns = (version: number, data: object) => vi.waitFor(async () => expect(await runs(workerPort)).toEqual({ version, data }), soon)

      await using first = startAgent()
      {
        await using controller = startController()
        await controller.listening()
        for (let n = 1; n <= 2; n++) await publishTo(port, { n })
        // As operators do it: while the service runs.
        const db = new Database(folder.file('controller.db'))
        await db.backup(folder.file('backup.db'))
        db.close()
        for (let n = 3; n <= 5; n++) await publishTo(port, { n })
        await workerRuns(5, { n: 5 })
        controller.signal('SIGTERM')
        await controller.ended
      }
      if (restarted) {
        first.signal('SIGKILL')
        await first.ended
      }
      for (const rest of ['-wal', '-shm']) rmSync(folder.file(`controller.db${rest}`), { force: true })
      copyFileSync(folder.file('backup.db'), folder.file('controller.db'))

      await using controller = startController()
      await controller.listening()
      await using second = restarted ? startAgent() : undefined
      const agent = second ?? first
      await warned(agent, 'the controller went back')
      await workerRuns(2, { n: 2 })
      for (let n = 3; n <= 6; n++) {
        await publishTo(port, { n, after: 'the restore' })
        await workerRuns(n, { n, after: 'the restore' })
      }
      expect(linesWith(agent, 'went back')).toHaveLength(1)
    },
  )

  test('and published to before its agents come back: the same number with another content is followed', async () => {
    using folder = new TempFolder()
    using agentFolder = new TempFolder()
    using workerFolder = new TempFolder()
    const port = await steadyPort()
    const startController = () => startService('controller', { DATA_DIR: folder.path, CONTROLLER_PORT: String(port) })
    await using worker = startService('worker', { DATA_DIR: workerFolder.path })
    const workerPort = await worker.listening()
    {
      await using controller = startController()
      await controller.listening()
      for (let n = 1; n <= 2; n++) await publishTo(port, { n })
      await using _agent = startService('agent', {
        DATA_DIR: agentFolder.path,
        CONTROLLER_URL: `http://127.0.0.1:${port}`,
        WORKER_URL: `http://127.0.0.1:${workerPort}`,
      })
      await vi.waitFor(async () => expect(await runs(workerPort)).toEqual({ version: 2, data: { n: 2 } }), soon)
    }
    for (const file of ['controller.db', 'controller.db-wal', 'controller.db-shm']) rmSync(folder.file(file), { force: true })
    await using controller = startController()
    await controller.listening()
    for (const n of ['one', 'two']) await publishTo(port, { n })
    await using agent = startService('agent', {
      DATA_DIR: agentFolder.path,
      CONTROLLER_URL: `http://127.0.0.1:${port}`,
      WORKER_URL: `http://127.0.0.1:${workerPort}`,
    })
    await warned(agent, 'the controller went back')
    await vi.waitFor(async () => expect(await runs(workerPort)).toEqual({ version: 2, data: { n: 'two' } }), soon)
  })
})
