import { execFileSync } from 'node:child_process'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { ConfigSchema } from '#lib/contract/config.ts'
import { HealthSchema } from '#lib/contract/health.ts'
import { dataOf, errorOf, requestInit, TEST_KEY, type TestRequest } from '#test/_support/controller.ts'
import { controllerProcess } from '#test/_support/process.ts'
import { TempFolder } from '#test/_support/temp.ts'

const call = (port: number, path: string, request?: TestRequest) => fetch(`http://127.0.0.1:${port}${path}`, requestInit(request))
const env = (folder: TempFolder) => ({ DATA_DIR: folder.path, API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })

describe('a controller that is killed in the middle of publishes', () => {
  it('has every acknowledged version after its restart, and no gap', async () => {
    using folder = new TempFolder()
    const acknowledged = new Map<number, string>()
    for (const [round, publishes] of [40, 3, 150].entries()) {
      await using controller = controllerProcess(env(folder))
      const port = await controller.listening()
      const latest = await call(port, '/config')
      const highest = Math.max(0, ...acknowledged.keys())
      if (round > 0) expect((await dataOf(latest, 200, ConfigSchema)).version).toBeGreaterThanOrEqual(highest)
      for (const [version, id] of acknowledged) expect((await dataOf(await call(port, `/config/${version}`), 200, ConfigSchema)).id).toBe(id)

      // Eight publishers at once, and the kill after so many answers: others are then on their way.
      let answers = 0
      const publisher = async () => {
        try {
          for (;;) {
            const config = await dataOf(await call(port, '/config', { body: { data: { round } } }), 201, ConfigSchema)
            acknowledged.set(config.version, config.id)
            if (++answers === publishes) controller.signal('SIGKILL')
          }
        } catch (error) {
          // A publish that got no answer may be there or not; an answer that is none of 201 is a failure.
          if (answers < publishes) throw error
        }
      }
      await Promise.all(Array.from({ length: 8 }, publisher))
      expect(await controller.ended).toEqual({ code: null, signal: 'SIGKILL' })
    }
    const db = new Database(folder.file('controller.db'), { readonly: true })
    const versions = db.prepare<[], number>('SELECT version FROM config_versions ORDER BY version').pluck().all()
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    db.close()
    expect(versions).toEqual(Array.from({ length: versions.length }, (_, i) => i + 1))
    expect(versions.length).toBeGreaterThanOrEqual(acknowledged.size)
  })
})

describe('a second controller', () => {
  it('on the same file stops with exit code 75 and names the process that holds it', async () => {
    using folder = new TempFolder()
    await using first = controllerProcess(env(folder))
    const port = await first.listening()
    await using second = controllerProcess(env(folder))
    expect(await second.ended).toEqual({ code: 75, signal: null })
    expect(second.stderr).toMatch(
      new RegExp(`^\\[init\\] Cannot start: cannot use ".*controller\\.db": it is held by the controller with process id ${first.pid} on host .*\\n$`),
    )
    expect((await call(port, '/ready')).status).toBe(200)
  })
})

describe('a controller whose disk is full', () => {
  it('answers 503, has changed nothing, and goes on when there is room again', async () => {
    using folder = new TempFolder()
    await using controller = controllerProcess(env(folder))
    const port = await controller.listening()
    for (let i = 0; i < 3; i++) await (await call(port, '/config', { body: { data: { i } } })).text()
    // A limit on the size of files is a full disk that needs no root. Node ignores SIGXFSZ: the write fails.
    const limitFiles = (bytes: string) => execFileSync('prlimit', ['--pid', String(controller.pid), `--fsize=${bytes}:`])
    limitFiles('4096')
    const answer = await call(port, '/config', { body: { data: { big: 'x'.repeat(50_000) } } })
    expect(answer.headers.get('Retry-After')).toMatch(/^\d+$/)
    expect((await errorOf(answer, 503, 'STORE_UNAVAILABLE')).message).toMatch(/nothing was changed/)
    await errorOf(await call(port, '/register', { body: { hostname: 'h', ip_address: 'i', port: 1 } }), 503, 'STORE_UNAVAILABLE')
    await expect.poll(async () => (await call(port, '/ready')).status).toBe(503)
    const health = await dataOf(await call(port, '/health'), 200, HealthSchema)
    expect([health.status, health.warnings.join()]).toEqual(['degraded', expect.stringContaining('store:')])
    expect((await dataOf(await call(port, '/config'), 200, ConfigSchema)).version).toBe(3)

    limitFiles('unlimited')
    expect((await dataOf(await call(port, '/config', { body: { data: {} } }), 201, ConfigSchema)).version).toBe(4)
    await expect.poll(async () => (await call(port, '/ready')).status, { timeout: 5000 }).toBe(200)
  })
})

describe('a controller that gets a signal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('answers its held requests at %s, and exits 0 in time', async (signal) => {
    using folder = new TempFolder()
    await using controller = controllerProcess(env(folder))
    const port = await controller.listening()
    const waiting = call(port, '/config?wait=60')
    await expect.poll(async () => (await dataOf(await call(port, '/health'), 200, HealthSchema)).parts.watchers?.waiting).toBe(1)
    const start = performance.now()
    controller.signal(signal)
    await errorOf(await waiting, 503, 'NOT_READY')
    expect(await controller.ended).toEqual({ code: 0, signal: null })
    expect(performance.now() - start).toBeLessThan(3000)
    expect(controller.lines.at(-1)?.msg).toBe('[shutdown] done')
    expect(controller.stderr).toBe('')
  })

  it('writes each line with its part, and no key', async () => {
    using folder = new TempFolder()
    await using controller = controllerProcess(env(folder))
    const port = await controller.listening()
    await (await call(port, '/config', { body: { data: { secret: 'not-for-the-log' } } })).text()
    await controller.line('the publish', (line) => line.part === 'config')
    for (const { part, msg } of controller.lines) expect(msg.startsWith(`[${part}] `)).toBe(true)
    expect(JSON.stringify(controller.lines)).not.toMatch(new RegExp(`${TEST_KEY}|not-for-the-log`))
  })
})

describe('a controller with a wrong environment', () => {
  it.each([
    [{ CONTROLLER_PORT: 'http' }, /^\[init\] Cannot start: CONTROLLER_PORT must be a whole number from 0 to 65535, not "http"\n$/],
    [{ API_KEY: 'two words' }, /^\[init\] Cannot start: API_KEY must be [^\n]*, and its value is not shown here\n$/],
    [{ CONTROLLER_DB_PATH: '/dev/null/c.db' }, /^\[init\] Cannot start[^\n]*"\/dev\/null\/c\.db"[^\n]*CONTROLLER_DB_PATH[^\n]*\n$/],
  ])('%j stops with exit code 78 and one line', async (wrong, line) => {
    using folder = new TempFolder()
    await using controller = controllerProcess({ ...env(folder), ...wrong })
    expect(await controller.ended).toEqual({ code: 78, signal: null })
    expect(controller.stderr).toMatch(line)
    expect(controller.stderr).not.toContain('two words')
  })
})
