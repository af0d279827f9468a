import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { serve } from '#lib/http/serve.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { createAgentApp } from '#services/agent/app.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { openAgentDeps } from '#services/agent/deps.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'
import { dcm } from '#test/_support/dcm.ts'
import { freePort, TestRedis } from '#test/_support/redis.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { TestWorker } from '#test/_support/worker.ts'

const ReportSchema = z.object({
  ok: z.boolean(),
  problems: z.number(),
  findings: z.array(z.object({ what: z.string(), level: z.enum(['ok', 'note', 'problem']), found: z.string(), fix: z.string().optional() })),
})

/** What doctor finds; every problem must say how to mend it. */
async function examine(env: Readonly<Record<string, string>>) {
  const [port, text] = [await freePort(), await freePort()]
  const all = { CONTROLLER_PORT: String(port), WORKER_PORT: String(port), AGENT_PORT: String(text), DATA_DIR: '/nonexistent/data', ...env }
  const ran = await dcm(['doctor', '--json'], all)
  const report = ReportSchema.parse(JSON.parse(ran.stdout))
  for (const { level, fix } of report.findings) expect(fix === undefined).toBe(level !== 'problem')
  expect(ran.exit).toBe(report.problems === 0 ? 0 : 1)
  expect(report.ok).toBe(report.problems === 0)
  return { ...report, of: (what: string) => report.findings.filter((finding) => finding.what === what), exit: ran.exit }
}

describe('doctor', () => {
  it('finds nothing where all is well: services, keys, release, clocks, Redis, this host', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    await using worker = await TestWorker.open({ env: { WORKER_API_KEY: 'a-key-of-the-worker' } })
    const { url } = await worker.listen()
    await using redis = await TestRedis.start()
    using folder = new TempFolder()
    const config = loadAgentConfig({ DATA_DIR: folder.path, CONTROLLER_URL: `http://127.0.0.1:${port}`, WORKER_URL: url, API_KEY: TEST_KEY })
    const deps = openAgentDeps(config, () => 8081, { logger: silentLogger })
    const agent = await serve({ fetch: createAgentApp(deps).fetch, port: 0, host: '127.0.0.1', name: 'agent' })
    const found = await examine({
      CONTROLLER_URL: `http://127.0.0.1:${port}`,
      WORKER_URL: url,
      WORKER_API_KEY: 'a-key-of-the-worker',
      AGENT_URL: `http://127.0.0.1:${agent.port}`,
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: String(redis.port),
      DATA_DIR: folder.path,
    })
    await agent.close(AbortSignal.abort())
    deps.release()
    // The agent of this test does not follow anything yet.
    expect(found.findings.filter(({ level, what }) => level === 'problem' && what !== 'agent' && what !== 'agent says')).toEqual([])
    expect(found.of('API key')).toMatchObject([{ level: 'ok', found: 'is accepted, and that of an admin' }])
    expect(found.of('worker key')).toMatchObject([{ level: 'ok', found: 'is accepted' }])
    expect(found.of('Redis')).toMatchObject([{ level: 'ok', found: `answers on 127.0.0.1 port ${redis.port}` }])
    for (const what of [
      'Node.js',
      'open files',
      'DATA_DIR',
      'controller',
      'controller release',
      'controller clock',
      'worker',
      'worker release',
      'worker clock',
      'agent release',
    ])
      expect(found.of(what), what).toMatchObject([{ level: 'ok' }])
  })

  it('says who is not there, and whether his port is free', async () => {
    const port = await freePort()
    const found = await examine({ CONTROLLER_URL: `http://127.0.0.1:${port}` })
    expect(found.exit).toBe(1)
    expect(found.of('controller')).toMatchObject([{ level: 'problem', fix: expect.stringContaining('npm run controller') }])
    expect(found.of(`port ${port}`)).toMatchObject([{ level: 'ok', found: 'is free' }])
    // Of a worker and an agent nobody said anything.
    expect(found.of('worker')).toMatchObject([{ level: 'note' }])
    expect(found.of('API key')).toEqual([])
  })

  it('takes one that is not there for a problem where he was named, or has run here', async () => {
    using folder = new TempFolder()
    writeFileSync(folder.file('hits.db'), '')
    writeFileSync(folder.file('agent-cache.json'), '')
    const found = await examine({ DATA_DIR: folder.path })
    expect(found.of('worker')).toMatchObject([{ level: 'problem' }])
    expect(found.of('agent')).toMatchObject([{ level: 'problem' }])
    expect((await examine({ WORKER_URL: `http://127.0.0.1:${await freePort()}` })).of('worker')).toMatchObject([
      { level: 'problem', fix: expect.stringContaining('WORKER_URL') },
    ])
  })

  it('finds a port that another program has', async () => {
    const server = createServer((socket) => socket.resume().end('hello, I am something else\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    expect((await examine({ CONTROLLER_URL: `http://127.0.0.1:${port}` })).of('controller')).toMatchObject([{ level: 'problem' }])
    await new Promise((resolve) => server.close(resolve))
    await using other = await StubServer.open((_request, response) => void response.end('<html>'))
    expect((await examine({ CONTROLLER_URL: other.url })).of('controller')).toMatchObject([{ level: 'problem', found: expect.stringContaining('not JSON') }])
    // An agent's address given for the controller's.
    await using worker = await TestWorker.open()
    const { url } = await worker.listen()
    expect((await examine({ CONTROLLER_URL: url })).of('controller')).toMatchObject([
      { found: expect.stringContaining('is a worker'), fix: expect.stringContaining('CONTROLLER_URL') },
    ])
  })

  it('finds a service that is degraded, not ready, of another release, or of another time', async () => {
    await using odd = await StubServer.open((request, response) => {
      const envelope = (data: object) => ({ request_id: 'r', status: 200, success: true, message: 'success', data })
      const headers = { Date: new Date(Date.now() - 60_000).toUTCString() }
      if (request.path === '/health')
        sendJson(
          response,
          200,
          envelope({ status: 'degraded', service: 'controller', version: '9.9.9', uptime_seconds: 1, warnings: ['store: the disk is full'], parts: {} }),
          headers,
        )
      else
        sendJson(response, 503, {
          request_id: 'r',
          status: 503,
          success: false,
          message: 'not ready',
          error: { code: 'NOT_READY', message: 'not ready', details: [{ path: 'store', message: 'the disk is full' }] },
        })
    })
    const found = await examine({ CONTROLLER_URL: odd.url })
    expect(found.of('controller')).toMatchObject([{ level: 'problem', found: expect.stringContaining('is not ready: store: the disk is full') }])
    expect(found.of('controller says')).toMatchObject([{ level: 'problem', found: 'store: the disk is full' }])
    expect(found.of('controller release')).toMatchObject([
      { level: 'problem', found: expect.stringContaining('is 9.9.9'), fix: expect.stringContaining('upgrading') },
    ])
    expect(found.of('controller clock')).toMatchObject([
      { level: 'problem', found: expect.stringMatching(/is (59|60|61) s behind/), fix: expect.stringContaining('NTP') },
    ])
  })

  it('finds keys that are not accepted, and says how far others reach', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    const CONTROLLER_URL = `http://127.0.0.1:${port}`
    await using worker = await TestWorker.open({ env: { WORKER_API_KEY: 'a-key-of-the-worker' } })
    const { url } = await worker.listen()
    const found = await examine({ CONTROLLER_URL, WORKER_URL: url, API_KEY: 'wrong', WORKER_API_KEY: 'wrong' })
    expect(found.of('API key')).toMatchObject([{ level: 'problem', fix: expect.stringContaining('API_KEY') }])
    expect(found.of('worker key')).toMatchObject([{ level: 'problem', fix: expect.stringContaining('WORKER_API_KEY') }])
    for (const [role, who] of [
      ['agent', 'an agent or a relay'],
      ['publisher', 'a publisher'],
      ['admin', 'an admin'],
    ] as const) {
      const { key } = await controller.makeKey({ name: role, role })
      expect((await examine({ CONTROLLER_URL, API_KEY: key })).of('API key')).toMatchObject([{ level: 'ok', found: `is accepted, and that of ${who}` }])
    }
  })

  it('finds a Redis that is not there, that wants a password, and a REDIS_URL that is none', async () => {
    const port = await freePort()
    expect((await examine({ REDIS_URL: `redis://127.0.0.1:${port}` })).of('Redis')).toMatchObject([
      { level: 'problem', found: expect.stringContaining('ECONNREFUSED') },
    ])
    expect((await examine({ REDIS_URL: 'nonsense' })).of('Redis')).toMatchObject([{ level: 'problem', found: 'REDIS_URL cannot be read' }])
    expect((await examine({})).of('Redis')).toEqual([])
    await using locked = await TestRedis.start(['--requirepass', 'very-secret'])
    const where = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(locked.port) }
    const refused = (await examine(where)).of('Redis')
    expect(refused).toMatchObject([{ level: 'problem', found: expect.stringContaining('NOAUTH'), fix: expect.stringContaining('REDIS_PASSWORD') }])
    expect((await examine({ ...where, REDIS_PASSWORD: 'very-secret' })).of('Redis')).toMatchObject([{ level: 'ok' }])
    expect((await examine({ REDIS_URL: `redis://:very-secret@127.0.0.1:${locked.port}` })).of('Redis')).toMatchObject([{ level: 'ok' }])
    await using other = await StubServer.open(() => {})
    expect((await examine({ REDIS_URL: `redis://127.0.0.1:${other.port}` })).of('Redis')).toMatchObject([
      { level: 'problem', found: expect.stringContaining('is no Redis') },
    ])
  })

  it('finds a DATA_DIR that cannot be written', async () => {
    using folder = new TempFolder()
    mkdirSync(folder.file('file-above'), { recursive: true })
    writeFileSync(folder.file('file-above/file'), '')
    expect((await examine({ DATA_DIR: folder.file('file-above/file/data') })).of('DATA_DIR')).toMatchObject([{ level: 'problem' }])
    expect((await examine({ DATA_DIR: folder.file('not-yet') })).of('DATA_DIR')).toMatchObject([
      { level: 'note', found: expect.stringContaining('is not there yet') },
    ])
  })

  it('says it all for people', async () => {
    const port = await freePort()
    const ran = await dcm(['doctor'], {
      CONTROLLER_URL: `http://127.0.0.1:${port}`,
      WORKER_PORT: String(port),
      AGENT_PORT: String(port),
      DATA_DIR: '/nonexistent',
    })
    expect(ran).toMatchObject({ exit: 1, stderr: expect.stringMatching(/^there (is 1 problem|are \d problems)\n$/) })
    expect(ran.stdout).toMatch(/problem {2}controller +cannot reach .*\n +to mend it: start it/)
  })
})
