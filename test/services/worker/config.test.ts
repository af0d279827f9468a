import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { WorkerConfigSchema } from '#lib/contract/worker.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { ConfigHolder } from '#services/worker/config-holder.ts'
import { dataOf, errorOf } from '#test/_support/controller.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { TestWorker } from '#test/_support/worker.ts'

const Accepted = z.object({ version: z.number() })
const data = { url: 'http://localhost:1/' }

describe('POST /config', () => {
  test('200: only version and data are needed, and GET gives back what was sent', async () => {
    await using worker = await TestWorker.open()
    expect(await dataOf(await worker.request('/config', { body: { version: 7, data } }), 200, Accepted)).toEqual({ version: 7 })
    expect(await dataOf(await worker.request('/config'), 200, WorkerConfigSchema)).toEqual({ version: 7, data })
    const whole = { id: 'x', version: 8, data: { url: '', n: 1 }, poll_interval_seconds: 5, created_at: '2026-01-02T03:04:05Z' }
    await dataOf(await worker.request('/config', { body: whole }), 200, Accepted)
    expect(await dataOf(await worker.request('/config'), 200, WorkerConfigSchema)).toEqual(whole)
  })

  test('200: any version is taken without if_newer, older ones too', async () => {
    await using worker = await TestWorker.open()
    for (const version of [7, 3, 0, 9]) await dataOf(await worker.request('/config', { body: { version, data } }), 200, Accepted)
    expect(worker.deps.holder.current?.version).toBe(9)
  })

  test('409: with if_newer, a version older than the last one accepted that way', async () => {
    await using worker = await TestWorker.open()
    await dataOf(await worker.request('/config?if_newer=true', { body: { version: 7, data } }), 200, Accepted)
    await dataOf(await worker.request('/config?if_newer=true', { body: { version: 7, data } }), 200, Accepted)
    await errorOf(await worker.request('/config?if_newer=true', { body: { version: 6, data } }), 409, 'STALE_VERSION')
    expect(worker.deps.holder.current?.version).toBe(7)
  })

  test("200: a script's post neither blocks the agent nor lets a late retry through", async () => {
    await using worker = await TestWorker.open()
    await dataOf(await worker.request('/config?if_newer=true', { body: { version: 7, data } }), 200, Accepted)
    await dataOf(await worker.request('/config', { body: { version: 999, data } }), 200, Accepted)
    await dataOf(await worker.request('/config?if_newer=true', { body: { version: 8, data } }), 200, Accepted)
    await dataOf(await worker.request('/config', { body: { version: 1, data } }), 200, Accepted)
    await errorOf(await worker.request('/config?if_newer=true', { body: { version: 7, data } }), 409, 'STALE_VERSION')
  })

  test('200: if_newer=false goes back, and counts from there', async () => {
    await using worker = await TestWorker.open()
    await dataOf(await worker.request('/config?if_newer=true', { body: { version: 9, data } }), 200, Accepted)
    await dataOf(await worker.request('/config?if_newer=false', { body: { version: 3, data } }), 200, Accepted)
    await dataOf(await worker.request('/config?if_newer=true', { body: { version: 4, data } }), 200, Accepted)
  })

  test.each([
    ['no version', { data }],
    ['a version that is a string', { version: '7', data }],
    ['a fraction', { version: 1.5, data }],
    ['a negative version', { version: -1, data }],
    ['no data', { version: 1 }],
    ['data that is an array', { version: 1, data: [] }],
    ['data that is null', { version: 1, data: null }],
    ['a url that no worker can use', { version: 1, data: { url: 'ftp://x' } }],
    ['a url that is a number', { version: 1, data: { url: 7 } }],
    ['an array', []],
    ['no JSON', '{'],
    ['a __proto__ key', '{"version":1,"data":{"__proto__":{"a":1}}}'],
  ])('400: %s changes nothing', async (_name, body) => {
    await using worker = await TestWorker.open()
    await errorOf(await worker.request('/config', { body }), 400, 'INVALID_REQUEST')
    expect(worker.deps.holder.current).toBeUndefined()
  })

  test('400: another value of if_newer', async () => {
    await using worker = await TestWorker.open()
    await errorOf(await worker.request('/config?if_newer=yes', { body: { version: 1, data } }), 400, 'INVALID_REQUEST')
  })

  test('413 and 415', async () => {
    await using worker = await TestWorker.open({ env: { MAX_CONFIG_BYTES: '1024' } })
    await errorOf(await worker.request('/config', { body: { version: 1, data: { big: 'x'.repeat(70_000) } } }), 413, 'PAYLOAD_TOO_LARGE')
    await errorOf(
      await worker.request('/config', { body: 'a=b', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    )
  })

  test('503: a config that cannot be written is not used', async () => {
    await using worker = await TestWorker.open()
    await worker.configure('http://localhost:1/', 1)
    // A folder in the file's place: a rename over it fails, for root too.
    const file = worker.folder.file('worker-config.json')
    rmSync(file)
    mkdirSync(file)
    await errorOf(await worker.request('/config', { body: { version: 2, data } }), 503, 'STORE_UNAVAILABLE')
    expect(worker.deps.holder.current?.version).toBe(1)
  })
})

describe('GET /config', () => {
  test('404 before the first config', async () => {
    await using worker = await TestWorker.open()
    expect((await errorOf(await worker.request('/config'), 404, 'NOT_FOUND')).message).toBe('no config loaded')
  })
})

describe('the config on disk', () => {
  test('a restart serves it before any agent has called, and keeps refusing what is stale', () => {
    using folder = new TempFolder()
    new ConfigHolder(folder.path, silentLogger).accept({ version: 7, data }, true)
    const again = new ConfigHolder(folder.path, silentLogger)
    expect(again.current).toEqual({ version: 7, data })
    expect(() => again.accept({ version: 6, data }, true)).toThrow(/version 7 was accepted before/)
  })

  test.each([
    ['half a file', (text: string) => text.slice(0, 40)],
    ['nothing', () => ''],
    ['another content', (text: string) => text.replace('"version":7', '"version":8')],
  ])('%s is set aside with a warning, not a crash', (_name, damage) => {
    using folder = new TempFolder()
    new ConfigHolder(folder.path, silentLogger).accept({ version: 7, data }, true)
    const file = folder.file('worker-config.json')
    writeFileSync(file, damage(readFileSync(file, 'utf8')))
    const warnings: string[] = []
    const holder = new ConfigHolder(folder.path, { ...silentLogger, warn: (_part, message) => warnings.push(message) })
    expect(holder.current).toBeUndefined()
    expect(warnings).toEqual([expect.stringMatching(/moved to .*worker-config\.json\.corrupt-/)])
  })
})
