import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { TestAgent } from '#test/_support/agent.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'
import { DcmProcess } from '#test/_support/dcm.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

const root = join(import.meta.dirname, '..', '..')
const soon = { timeout: 15_000, interval: 10 }

async function withController() {
  const controller = await TestController.open()
  const { port } = await controller.listen()
  const env = { CONTROLLER_URL: `http://127.0.0.1:${port}` }
  return { controller, env, run: (...args: string[]) => DcmProcess.run(args, env) }
}

beforeAll(async () => {
  // Builds what is stale.
  await DcmProcess.run(['--version'])
}, 120_000)

describe('the bundled command', () => {
  it('publishes from stdin, and gives it back', async () => {
    const { controller, env, run } = await withController()
    await using _ = controller
    expect(await DcmProcess.run(['publish', '-'], env, { input: '{"url":"http://a/"}' })).toEqual({ exit: 0, stdout: 'published version 1\n', stderr: '' })
    expect(await run('get', '--data', '--json')).toEqual({ exit: 0, stdout: '{"url":"http://a/"}\n', stderr: '' })
    expect(await DcmProcess.run(['publish', '-'], env, { input: 'no JSON' })).toMatchObject({
      exit: 65,
      stderr: expect.stringContaining('cannot use standard input'),
    })
  })

  it('publishes what another of it writes to a pipe, however late that comes', async () => {
    const { controller, env, run } = await withController()
    await using _ = controller
    await controller.publish({ url: 'http://a/' })
    const { PATH = '' } = process.env
    const command = `"${process.execPath}" "${join(root, 'cli', 'dcm.mjs')}"`
    const piped = spawn('sh', ['-c', `(sleep 0.5; ${command} get --data) | ${command} publish -`], { env: { PATH, API_KEY: TEST_KEY, ...env } })
    let said = ''
    for (const stream of [piped.stdout, piped.stderr]) stream.on('data', (text) => (said += text))
    expect([await once(piped, 'close'), said]).toEqual([[0, null], 'published version 2\n'])
    expect((await run('get', '--data', '--json')).stdout).toBe('{"url":"http://a/"}\n')
  })

  it('says in one line within a second that a controller is stopped, with 69', async () => {
    const gone = await StubServer.open(() => {})
    await gone[Symbol.asyncDispose]()
    const began = performance.now()
    const ran = await DcmProcess.run(['status'], { CONTROLLER_URL: gone.url })
    expect(ran).toMatchObject({ exit: 69, stdout: '' })
    expect(ran.stderr).toMatch(/^dcm: cannot reach http:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED .*\n$/)
    // That it took so long would be a time to wait for; on a busy machine the process alone takes half of it.
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('does not show keys, wherever it fails', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    for (const args of [['status'], ['doctor'], ['publish', '--set', 'a=1']]) {
      const ran = await DcmProcess.run(args, { ...env, API_KEY: 'very-secret-key', WORKER_API_KEY: 'other-secret-key' })
      expect(ran.exit).not.toBe(0)
      expect(ran.stdout + ran.stderr).not.toMatch(/secret-key/)
    }
  })

  it('is quiet where its reader goes', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    await Promise.all(
      Array.from({ length: 2000 }, (_, n) => controller.request('/register', { body: { hostname: `host-${n}`, ip_address: '10.0.0.7', port: 8081 } })),
    )
    await using running = new DcmProcess(['agents'], env)
    running.child.stdout?.once('data', () => running.child.stdout?.destroy())
    expect(await running.ended).toEqual({ exit: 0, signal: null })
    expect(running.stderr).toBe('')
    await using watching = new DcmProcess(['status', '--watch'], env)
    watching.child.stdout?.once('data', () => watching.child.stdout?.destroy())
    expect(await watching.ended).toEqual({ exit: 0, signal: null })
  })

  it('says that its output could not be written', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    await controller.publish({ n: 1 })
    const shell = spawn('sh', ['-c', '"$0" "$@" > /dev/full', process.execPath, join(root, 'cli', 'dcm.mjs'), 'get'], {
      env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', API_KEY: TEST_KEY, ...env },
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    let said = ''
    shell.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    const [exit] = await once(shell, 'close')
    expect([exit, said]).toEqual([74, expect.stringMatching(/^dcm: cannot write to stdout: .*ENOSPC.*\n$/)])
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends at %s while it waits, and says that the version is published', async (signal, exit) => {
    const { controller, env } = await withController()
    await using _ = controller
    await using worker = await StubServer.open((_request, response) => void response.destroy())
    using folder = new TempFolder()
    await using _agent = new TestAgent({
      dataDir: folder.path,
      settings: { controllerUrl: env.CONTROLLER_URL, workerUrl: worker.url, apiKey: TEST_KEY, hostname: 'host-1' },
    })
    await vi.waitFor(() => expect(controller.deps.streams.open).toBe(1), soon)
    await using running = new DcmProcess(['publish', '--set', 'n=1', '--wait'], env)
    await vi.waitFor(() => expect(running.stderr).toContain('version 1: 0 of 1 agents applied'), soon)
    running.child.kill(signal)
    expect(await running.ended).toEqual({ exit, signal: null })
    expect(running.stdout).toBe('published version 1\n')
    expect(running.stderr).toContain('interrupted: it is published, and goes on to the fleet')
  })

  it('shows the difference and asks before it rolls back, on a terminal', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    await controller.publish({ n: 1 })
    await controller.publish({ n: 2 })
    const ask = async (answer: string, args: readonly string[] = [], meanwhile: () => Promise<unknown> = async () => {}) => {
      const command = [process.execPath, join(root, 'cli', 'dcm.mjs'), 'rollback', '1', ...args].map((word) => `'${word}'`).join(' ')
      // The terminal of util-linux: what is typed goes in, what is shown comes out.
      const terminal = spawn('script', ['-qec', `stty cols 100 rows 30; ${command}`, '/dev/null'], {
        env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', TERM: 'xterm', API_KEY: TEST_KEY, ...env },
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      let shown = ''
      let asked = false
      terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
        shown += text
        if (!asked && shown.includes('Go back')) {
          asked = true
          void meanwhile().then(() => terminal.stdin.write(answer))
        }
      })
      const [exit] = await once(terminal, 'close')
      return { exit, shown }
    }
    const refused = await ask('n')
    expect(refused.shown).toMatch(/data\.n: 2 -> 1/)
    expect(refused).toMatchObject({ exit: 0, shown: expect.stringContaining('nothing was published') })
    // Enter takes what is safe, Ctrl-C goes away.
    expect(await ask('\r')).toMatchObject({ exit: 0, shown: expect.stringContaining('nothing was published') })
    expect((await ask('\u0003')).shown).not.toContain('published version')
    expect(controller.deps.feed.current?.version).toBe(2)
    expect(await ask('y')).toMatchObject({ exit: 0, shown: expect.stringContaining('published version 3, with the content of version 1') })
    expect((await ask('', ['--yes'])).shown).not.toContain('Go back')
    expect(controller.deps.feed.current?.version).toBe(4)
    // What is agreed to is what was shown: not something that somebody else publishes meanwhile.
    const late = await ask('y', [], () => controller.publish({ n: 5 }))
    expect(late).toMatchObject({ exit: 65, shown: expect.stringContaining('[VERSION_CONFLICT]') })
    expect(controller.deps.feed.current?.version).toBe(5)
  })
})

describe('the package', () => {
  it('holds what the command needs, and runs without the sources', async () => {
    using folder = new TempFolder()
    // What npm pack would put into it, where npm install would put that.
    const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder.path], { cwd: root, encoding: 'utf8' }))
    const home = folder.file('node_modules/dcm')
    mkdirSync(home, { recursive: true })
    execFileSync('tar', ['xzf', folder.file(packed.filename), '-C', home, '--strip-components=1'])
    for (const name of readdirSync(join(root, 'node_modules')))
      if (!existsSync(folder.file(`node_modules/${name}`))) symlinkSync(join(root, 'node_modules', name), folder.file(`node_modules/${name}`))
    mkdirSync(folder.file('node_modules/.cmd'))
    symlinkSync('../dcm/cli/dcm.mjs', folder.file('node_modules/.cmd/dcm'))
    expect(existsSync(join(home, 'cli', 'main.ts'))).toBe(false)
    const { controller, env } = await withController()
    await using _ = controller
    const run = async (...args: string[]) => {
      const child = spawn(process.execPath, [folder.file('node_modules/.cmd/dcm'), ...args], {
        cwd: folder.path,
        env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', API_KEY: TEST_KEY, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
      const [exit] = await once(child, 'close')
      return { exit, said }
    }
    expect(await run('--version')).toEqual({ exit: 0, said: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
    expect(await run('status', '--json')).toEqual({ exit: 0, said: expect.stringContaining('"latest_version":null') })
    // The native part, and the migrations.
    writeFileSync(folder.file('text.db'), 'no database')
    expect(await run('restore', 'text.db', '--to', 'new.db')).toEqual({ exit: 65, said: expect.stringContaining('cannot be read as a SQLite database') })
  }, 60_000)
})
