import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createProgram } from '#cli/program.ts'
import { ConfigSchema } from '#lib/contract/config.ts'
import { HistoryPageSchema } from '#lib/contract/history.ts'
import { MadeKeySchema } from '#lib/contract/keys.ts'
import { TestController } from '#test/_support/controller.ts'
import { type DcmRun, dcm as run } from '#test/_support/dcm.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** A controller on a socket, and the command against it. */
async function withController() {
  const controller = await TestController.open()
  const { port } = await controller.listen()
  const env = { CONTROLLER_URL: `http://127.0.0.1:${port}`, WORKER_URL: 'http://127.0.0.1:9' }
  const dcm = (...args: string[]) => run(args, env)
  const json = async (...args: string[]): Promise<unknown> => JSON.parse((await dcm(...args, '--json')).stdout)
  return { controller, dcm, json, env, latest: () => controller.deps.feed.current?.config.data }
}
const lines = (text: string) => text.trimEnd().split('\n')

describe('publish', () => {
  it('takes a file, and says which version it became', async () => {
    const { controller, dcm, latest } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    writeFileSync(folder.file('c.json'), '{"url":"http://a/","n":1}')
    expect(await dcm('publish', folder.file('c.json'), '--comment', 'why')).toEqual({ exit: 0, stdout: 'published version 1\n', stderr: '' })
    expect(latest()).toEqual({ url: 'http://a/', n: 1 })
  })

  it('puts --set into what is latest, keeps the rest, and reads values as JSON where they are', async () => {
    const { controller, dcm, latest } = await withController()
    await using _ = controller
    await controller.request('/config', { body: { data: { url: 'http://a/', limits: { min: 1 } }, poll_interval_seconds: 7 } })
    expect((await dcm('publish', '--set', 'limits.max=5', '--set', 'name=a b', '--set', 'on=true', '--set', 'x=a=b')).exit).toBe(0)
    expect(latest()).toEqual({ url: 'http://a/', limits: { min: 1, max: 5 }, name: 'a b', on: true, x: 'a=b' })
    expect(controller.deps.feed.current?.config.poll_interval_seconds).toBe(7)
  })

  it('loses nobody’s change where several put something in at once', async () => {
    const { controller, dcm, latest } = await withController()
    await using _ = controller
    const names = ['a', 'b', 'c', 'd']
    const runs = await Promise.all(names.map((name) => dcm('publish', '--set', `${name}=1`)))
    expect(runs.map(({ exit }) => exit)).toEqual([0, 0, 0, 0])
    expect(latest()).toEqual({ a: 1, b: 1, c: 1, d: 1 })
  })

  it('shows a dry run, and publishes nothing', async () => {
    const { controller, dcm } = await withController()
    await using _ = controller
    await controller.publish({ n: 1 })
    await controller.request('/config/schema', { method: 'PUT', body: { properties: { n: { type: 'number' } } } })
    expect(await dcm('publish', '--set', 'n=2', '--dry-run')).toMatchObject({ exit: 0, stdout: 'would publish version 2\n~ data.n: 1 -> 2\n' })
    const refused = await dcm('publish', '--set', 'n=x', '--dry-run')
    expect(refused).toMatchObject({ exit: 65 })
    expect(refused.stdout).toContain('violation data.n: must be number, got "x"')
    expect(controller.deps.feed.current?.version).toBe(1)
  })

  it.each<[string, number, string[], RegExp]>([
    ['a conflict', 65, ['publish', '--set', 'a=1', '--if-version', '9'], /latest version is 1.*\[VERSION_CONFLICT\]/],
    ['a wrong url', 65, ['publish', '--set', 'url=ftp://x'], /data\.url.*\[INVALID_REQUEST\]/],
    ['no file', 66, ['publish', '/nonexistent/file'], /cannot read \/nonexistent\/file/],
    ['neither file nor --set', 64, ['publish'], /takes a FILE/],
    ['a --set that is none', 64, ['publish', '--set', '=1'], /key=value/],
    ['a command that is none', 64, ['nope'], /unknown command/],
    ['an option that is none', 64, ['status', '--nope'], /unknown option/],
    ['a version that is not there', 65, ['get', '99'], /\[NOT_FOUND\]/],
    ['a role that is none', 64, ['keys', 'make', 'x', '--role', 'king'], /must be one of agent, relay/],
  ])('ends with the exit code for: %s', async (_name, exit, args, message) => {
    const { controller, dcm, env } = await withController()
    await using _ = controller
    await controller.publish({ n: 1 })
    const ran = await dcm(...args)
    expect(ran).toMatchObject({ exit, stdout: '' })
    expect(ran.stderr).toMatch(message)
    // The same as JSON: one document on stderr, nothing on stdout.
    const asJson = await run([...args, '--json'], env)
    expect([asJson.exit, asJson.stdout]).toEqual([exit, ''])
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { exit_code: exit } })
    expect(controller.deps.feed.current?.version).toBe(1)
  })
})

describe('a controller that', () => {
  it('is stopped is told in one line, with exit code 69', async () => {
    const gone = await StubServer.open(() => {})
    const { url } = gone
    await gone[Symbol.asyncDispose]()
    const ran = await run(['status'], { CONTROLLER_URL: url })
    expect(ran).toMatchObject({ exit: 69, stdout: '' })
    expect(lines(ran.stderr)).toEqual([expect.stringMatching(/^dcm: cannot reach http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*does it run/)])
  })

  it('does not know the key, or does not let it, ends with 77', async () => {
    const { controller, dcm, env, json } = await withController()
    await using _ = controller
    expect(await run(['status'], { ...env, API_KEY: 'wrong' })).toMatchObject({ exit: 77, stderr: 'dcm: invalid API key [FORBIDDEN]\n' })
    const made = MadeKeySchema.parse(await json('keys', 'make', 'web-01', '--role', 'agent'))
    const refused = await run(['publish', '--set', 'a=1'], { ...env, API_KEY: made.key })
    expect(refused).toMatchObject({ exit: 77, stderr: expect.stringContaining('[NOT_PERMITTED]') })
    expect((await dcm('keys', 'revoke', made.id)).exit).toBe(0)
    expect((await run(['get'], { ...env, API_KEY: made.key })).exit).toBe(77)
  })

  it('sends escapes does not get them onto the terminal', async () => {
    const { controller, dcm } = await withController()
    await using _ = controller
    const evil = 'x\u001b[2J\u202ey'
    await controller.request('/register', { body: { hostname: evil, ip_address: '10.0.0.7', port: 8081 } })
    await controller.request('/config', { body: { data: { [evil]: evil }, comment: evil } })
    for (const args of [['agents'], ['history'], ['audit'], ['publish', '--set', 'a=1', '--dry-run']]) {
      const { stdout, stderr } = await dcm(...args)
      for (const character of ['\u001b', '\u202e']) expect(stdout + stderr).not.toContain(character)
    }
  })
})

describe('history, diff and rollback', () => {
  it('show what was, what differs, and go back', async () => {
    const { controller, dcm, json, latest } = await withController()
    await using _ = controller
    await dcm('publish', '--set', 'n=1', '--comment', 'first')
    await dcm('publish', '--set', 'n=2')
    expect((await dcm('diff', '1', '2')).stdout).toBe('~ data.n: 1 -> 2\n')
    expect(await dcm('rollback', '1')).toMatchObject({ exit: 0, stdout: 'published version 3, with the content of version 1\n' })
    expect(latest()).toEqual({ n: 1 })
    expect(HistoryPageSchema.parse(await json('history')).configs.map(({ version, rollback_of }) => [version, rollback_of])).toEqual([
      [3, 1],
      [2, null],
      [1, null],
    ])
    expect((await dcm('history')).stdout).toMatch(/^VERSION .*\n3 .*rollback of 1\n2 .*\n1 .*first\n$/)
    expect(ConfigSchema.parse(await json('get', '2')).data).toEqual({ n: 2 })
  })
})

describe('output', () => {
  const every: readonly string[][] = [
    ['status'],
    ['agents'],
    ['history'],
    ['get'],
    ['audit'],
    ['audit', 'verify'],
    ['keys'],
    ['schema', 'get'],
    ['diff', '1', '1'],
  ]

  it.each(every)('of %s %s is one JSON document with --json, wherever it stands', async (...args) => {
    const { controller, dcm } = await withController()
    await using _ = controller
    await controller.publish({ n: 1 })
    await controller.request('/config/schema', { method: 'PUT', body: {} })
    const words = args.filter((word) => word !== undefined)
    for (const line of [
      [...words, '--json'],
      ['--json', ...words],
    ]) {
      const { exit, stdout, stderr } = await dcm(...line)
      expect([exit, stderr, lines(stdout).length]).toEqual([0, '', 1])
      expect(JSON.parse(stdout)).toBeTypeOf('object')
    }
  })

  it('has colours on a terminal, and none elsewhere or under NO_COLOR', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    const head = async (more: Readonly<Record<string, string>>, tty: boolean): Promise<DcmRun> => run(['agents'], { ...env, ...more }, { tty })
    expect((await head({}, true)).stdout).toContain('\u001b[')
    expect((await head({}, false)).stdout).not.toContain('\u001b[')
    expect((await head({ NO_COLOR: '1' }, true)).stdout).not.toContain('\u001b[')
  })
})

describe('settings', () => {
  it('come from a profile, and the environment is before it', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    const file = folder.file('config.json')
    writeFileSync(
      file,
      JSON.stringify({
        default: 'here',
        profiles: { here: { controller_url: env.CONTROLLER_URL, api_key: 'a-key-of-its-own' }, away: { controller_url: 'http://127.0.0.1:9' } },
      }),
      { mode: 0o600 },
    )
    const at = (more: Readonly<Record<string, string>>, ...args: string[]) => run(args, { DCM_CONFIG: file, API_KEY: '', ...more })
    expect((await at({}, 'status')).exit).toBe(0)
    expect((await at({}, '--profile', 'away', 'status')).exit).toBe(69)
    expect((await at({ DCM_PROFILE: 'away' }, 'status')).exit).toBe(69)
    expect((await at({ CONTROLLER_URL: 'http://127.0.0.1:9' }, 'status')).exit).toBe(69)
    expect(await at({}, '--profile', 'nope', 'status')).toMatchObject({ exit: 78, stderr: expect.stringContaining('here, away') })
    writeFileSync(folder.file('open.json'), JSON.stringify({ profiles: { a: { api_key: 'x' } } }), { mode: 0o644 })
    expect(await at({ DCM_CONFIG: folder.file('open.json') }, 'status')).toMatchObject({ exit: 78, stderr: expect.stringContaining('chmod 600') })
    writeFileSync(folder.file('bad.json'), '{')
    expect((await at({ DCM_CONFIG: folder.file('bad.json') }, 'status')).exit).toBe(78)
    expect((await at({ DCM_CONFIG: folder.file('none.json') }, 'status')).exit).toBe(78)
  })

  it('may name the file of a key', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    writeFileSync(folder.file('key'), 'a-key-of-its-own\n')
    expect((await run(['status'], { ...env, API_KEY: '', API_KEY_FILE: folder.file('key') })).exit).toBe(0)
    expect((await run(['status'], { ...env, API_KEY: '', API_KEY_FILE: folder.file('no-key') })).exit).toBe(78)
  })
})

describe('the command', () => {
  it('has no option that would take a key', () => {
    const program = createProgram(async () => {})
    const all = [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]
    expect(all.flatMap(({ options }) => options.map(({ long }) => long)).filter((name) => /api|secret|password/.test(name ?? ''))).toEqual([])
  })

  it('describes every command', () => {
    const program = createProgram(async () => {})
    for (const command of [...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) expect(command.description()).not.toBe('')
  })
})
