import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type ReceivedConfig, ReceivedConfigSchema } from '#lib/contract/config.ts'
import { readStored, writeAtomically } from '#lib/runtime/atomic-file.ts'
import { BadProxy } from '#test/_support/bad-proxy.ts'
import { Dice, rounds } from '#test/_support/dice.ts'
import { GoWorker, serveGo, versionsGiven } from '#test/_support/go-system.ts'
import { Ledger } from '#test/_support/ledger.ts'
import { publishTo } from '#test/_support/publishing.ts'
import { linesWith, said, warned } from '#test/_support/said.ts'
import { agentStatus, startService, workerVersion } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 30_000, interval: 10 }
const ROUNDS = rounds(4)
const CACHE = 'agent-cache.json'
const CachedSchema = z.object({ config: ReceivedConfigSchema })

/** What the cache holds; undefined where there is none. A damaged one fails the test. */
function cached(folder: TempFolder): ReceivedConfig | undefined {
  if (!existsSync(folder.file(CACHE))) return undefined
  const stored = readStored(folder.file(CACHE))
  if (stored.kind !== 'value') throw new Error(`the cache is ${stored.kind}: ${readFileSync(folder.file(CACHE), 'utf8').slice(0, 200)}`)
  return CachedSchema.parse(stored.value).config
}

/** Resolves when something happens to the cache, or to what becomes it. */
const writing = (folder: string): Promise<void> =>
  new Promise((resolve) => {
    const watcher = watch(folder, (_event, name) => {
      if (!name?.startsWith(CACHE)) return
      watcher.close()
      resolve()
    })
  })

/** A controller process, and a worker that takes everything, which is what the agent of a test stands between. */
async function surroundings() {
  const folder = new TempFolder()
  const controller = startService('controller', { DATA_DIR: folder.path })
  const port = await controller.listening()
  const worker = new GoWorker()
  const workerServer = await serveGo(worker)
  return {
    port,
    worker,
    workerServer,
    agent: (dataDir: string, url = `http://127.0.0.1:${port}`) =>
      startService('agent', { DATA_DIR: dataDir, CONTROLLER_URL: url, WORKER_URL: workerServer.url }),
    holds: (version: number) => vi.waitFor(() => expect(worker.config?.version).toBe(version), soon),
    [Symbol.asyncDispose]: async () => {
      await controller[Symbol.asyncDispose]()
      await workerServer[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

test('an agent killed while it writes its cache: whole or absent, and the worker is served from it before any controller', {
  timeout: 60_000 + ROUNDS * 15_000,
}, async () => {
  const dice = new Dice()
  using folder = new TempFolder()
  await using around = await surroundings()
  await using proxy = await BadProxy.open(around.port)
  const ledger = new Ledger()
  const published = () => Math.max(0, ...ledger.acknowledged.keys())
  for (let round = 0; round < ROUNDS; round++) {
    const left = cached(folder)
    around.worker.config = undefined
    // No controller is reached before the worker has what the cache holds.
    proxy.behaviour = { kind: 'refuse' }
    await using agent = around.agent(folder.path, proxy.url)
    await agent.listening()
    if (left) {
      await around.holds(left.version)
      expect(around.worker.config).toMatchObject({ version: left.version, data: ledger.acknowledged.get(left.version)?.data })
    }
    proxy.behaviour = { kind: 'pass' }
    await ledger.publish(around.port, 'a first one')
    await around.holds(published())
    // Configs stream in, large enough that writing them takes its time; the kill comes among them.
    const until = published() + dice.whole(3, 20)
    let killed = false
    const publisher = async () => {
      while (!killed) await ledger.publish(around.port, 'x'.repeat(dice.whole(1, 300_000)))
    }
    const publishers = [publisher(), publisher()]
    await vi.waitFor(() => expect(around.worker.config?.version).toBeGreaterThanOrEqual(until), { ...soon, interval: 1 })
    // Now with the first sign of a write in the folder, in the middle of it; now anywhere.
    if (round % 2 === 0) await writing(folder.path)
    else await delay(dice.whole(0, 20))
    agent.signal('SIGKILL')
    await agent.ended
    killed = true
    await Promise.all(publishers)

    const found = cached(folder)
    expect(found?.version).toBeGreaterThanOrEqual(until)
    expect(found?.version).toBeLessThanOrEqual(published())
    expect(found?.data).toEqual(ledger.acknowledged.get(found?.version ?? 0)?.data)
  }
  // What is cached first and forwarded then cannot go back, whenever the kill comes.
  const given = versionsGiven(around.workerServer)
  expect(given).toEqual([...given].sort((a, b) => a - b))
})

test('an agent whose disk is full goes on following and forwarding, says so once, and caches again when there is room', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  await using around = await surroundings()
  await using agent = around.agent(folder.path)
  await said(agent, 'following the controller')
  await publishTo(around.port, { n: 1 })
  await around.holds(1)
  // A limit on the size of files is a full disk that needs no root.
  const limitFiles = (bytes: string) => execFileSync('prlimit', ['--pid', String(agent.pid), `--fsize=${bytes}:`])
  limitFiles('64')
  for (let n = 2; n <= 4; n++) {
    await publishTo(around.port, { n })
    await around.holds(n)
  }
  expect(cached(folder)?.version).toBe(1)
  expect(linesWith(agent, 'the config cannot be cached')).toHaveLength(1)
  limitFiles('unlimited')
  await publishTo(around.port, { n: 5 })
  await around.holds(5)
  await said(agent, 'can be cached again')
  expect(cached(folder)).toMatchObject({ version: 5, data: { n: 5 } })
})

describe('an agent that starts', () => {
  test('with a cache from the future says so and follows the controller, and its worker goes with it', { timeout: 60_000 }, async () => {
    using folder = new TempFolder()
    using workerFolder = new TempFolder()
    await using around = await surroundings()
    await publishTo(around.port, { n: 'of this controller' })
    // The worker accepted it too, and would refuse what is older.
    const future = { id: '5b1d7a5e-93c8-4c53-8f0a-0a5b0f2f6c11', version: 9_000_000, data: { n: 'from the future' }, poll_interval_seconds: 1 }
    writeAtomically(folder.file(CACHE), { config: future, etag: '"9000000"' })
    writeAtomically(workerFolder.file('worker-config.json'), { config: future, accepted_version: future.version })
    await using worker = startService('worker', { DATA_DIR: workerFolder.path })
    const workerPort = await worker.listening()
    await using agent = startService('agent', {
      DATA_DIR: folder.path,
      CONTROLLER_URL: `http://127.0.0.1:${around.port}`,
      WORKER_URL: `http://127.0.0.1:${workerPort}`,
    })
    await warned(agent, 'the controller went back')
    await vi.waitFor(async () => expect(await workerVersion(workerPort)).toBe(1), soon)
    expect(cached(folder)).toMatchObject({ version: 1, data: { n: 'of this controller' } })
    await publishTo(around.port, { n: 2 })
    await vi.waitFor(async () => expect(await workerVersion(workerPort)).toBe(2), soon)
    expect(linesWith(agent, 'the controller went back')).toHaveLength(1)
  })

  test.each([
    ['of a later format', (path: string) => writeAtomically(path, { format: 2, configs: [{ version: 7 }] })],
    ['of which half is left', (path: string) => writeFileSync(path, `${'0'.repeat(64)}\n{"config":{"version":7,"da`)],
  ])('with a cache %s sets it aside, says where, and fetches the config', { timeout: 60_000 }, async (_what, damage) => {
    using folder = new TempFolder()
    await using around = await surroundings()
    await publishTo(around.port, { n: 1 })
    damage(folder.file(CACHE))
    const before = readFileSync(folder.file(CACHE))
    await using agent = around.agent(folder.path)
    const { msg } = await warned(agent, 'the cached config cannot be used')
    await around.holds(1)
    expect(readFileSync(/moved to (\S+),/.exec(msg)?.[1] ?? '')).toEqual(before)
    expect(cached(folder)).toMatchObject({ version: 1 })
    expect(await agentStatus(await agent.listening())).toMatchObject({ held_version: 1, controller: { state: 'following' } })
  })
})
