import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { safe, safeJson } from '#cli/output/safe.ts'
import { createProgram, withSubcommands } from '#cli/program/program.ts'
import { dcm, withController } from '#test/_support/dcm.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** What a terminal would obey, or people would not see. */
const evil = 'x\u001b[2J\u009b1m\u202ey\u200bz\u0007\r'
const obeyed = ['\u001b', '\u009b', '\u202e', '\u200b', '\u0007', '\r']

describe('text from elsewhere', () => {
  it('never gets its escapes onto a terminal, whatever it is part of', async () => {
    const { controller, run, env } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    await controller.request('/register', { body: { hostname: evil, ip_address: '10.0.0.7', port: 8081, labels: { zone: evil } } })
    await controller.request('/config', { body: { data: { [evil]: evil }, comment: evil, author: evil } })
    await controller.request('/config', { body: { data: { [evil]: 1 } } })
    await controller.request('/config/schema?force=true', { method: 'PUT', body: { title: evil, properties: { a: { const: evil } } } })
    writeFileSync(folder.file('c.json'), JSON.stringify({ a: evil, [evil]: 2 }))
    const [agent] = (await controller.deps.fleet.page({})).agents
    const id = agent?.agent_id ?? ''
    const lines = [
      ['agents'],
      ['agent', id],
      ['history'],
      ['audit'],
      ['get'],
      ['get', '1', '--data'],
      ['diff', '1', '2'],
      ['schema'],
      ['status'],
      ['publish', folder.file('c.json'), '--dry-run'],
      ['publish', '--set', `${evil}`],
      ['agents', '--label', evil],
      ['agents', 'delete', evil],
      ['doctor'],
    ]
    for (const args of lines)
      for (const json of [[], ['--json']]) {
        const { stdout, stderr } = await dcm([...args, ...json], env)
        // Without the colours of a terminal, which are escapes too.
        for (const character of obeyed) expect(stdout + stderr, args.join(' ')).not.toContain(character)
      }
    expect(JSON.parse((await run('get', '1', '--data')).stdout)).toEqual({ [evil]: evil })
    expect(JSON.parse((await run('get', '1', '--json')).stdout)).toMatchObject({ data: { [evil]: evil } })
  })

  it('of an error is one line', async () => {
    await using server = await StubServer.open((_request, response) =>
      sendJson(response, 503, { request_id: 'r', status: 503, success: false, message: evil, error: { code: 'OVERLOADED', message: `one\ntwo ${evil}` } }),
    )
    const ran = await dcm(['get'], { CONTROLLER_URL: server.url })
    expect(ran).toMatchObject({ exit: 69, stdout: '' })
    expect(ran.stderr).toMatch(/^dcm: one two x.*\[OVERLOADED\]\n$/)
    for (const character of obeyed) expect(ran.stderr).not.toContain(character)
  })

  it('stays the same as JSON', () => {
    const value = { [evil]: [evil, 'a\nb', 1] }
    expect(JSON.parse(safeJson(value))).toEqual(value)
    expect(JSON.parse(safeJson(value, 2))).toEqual(value)
    for (const character of obeyed) expect(safeJson(value, 2)).not.toContain(character)
    expect(safe('a\tb\nc')).toBe('a b c')
  })
})

describe('--json', () => {
  it.each<readonly [readonly string[]]>([
    [['status']],
    [['agents']],
    [['history']],
    [['get']],
    [['get', '1', '--data']],
    [['diff', '1', '1']],
    [['rollback', '1', '--dry-run']],
    [['publish', '--set', 'n=2', '--dry-run']],
    [['publish', '--set', 'n=2']],
    [['audit']],
    [['audit', 'verify']],
    [['keys']],
    [['keys', 'make', 'ann', '--role', 'admin']],
    [['schema']],
    [['schema', 'delete']],
    [['profile']],
    [['completion', 'bash']],
  ])('makes one document of %j, wherever it stands', async (args) => {
    const { controller, run } = await withController()
    await using _ = controller
    await controller.publish({ n: 1 })
    const [first = '', ...rest] = args
    const lines = [
      [...args, '--json'],
      [first, '--json', ...rest],
      ['--json', ...args],
    ]
    for (const line of lines) {
      await controller.request('/config/schema', { method: 'PUT', body: {} })
      const { exit, stdout, stderr } = await run(...line)
      expect([exit, stderr, stdout.trimEnd().split('\n').length], line.join(' ')).toEqual([0, '', 1])
      expect(JSON.parse(stdout)).toBeTypeOf('object')
    }
  })

  it.each<readonly [number, readonly string[], string | undefined]>([
    [64, ['nope'], undefined],
    [64, ['status', '--nope'], undefined],
    [64, ['publish'], undefined],
    [65, ['get', '99'], 'NOT_FOUND'],
    [66, ['publish', '/nonexistent/file'], undefined],
    [73, ['backup', '/nonexistent/b.db'], undefined],
    [78, ['status', '--profile', 'nope'], undefined],
  ])('makes a document of an error too, on stderr: %i of %j', async (exit, args, code) => {
    const { controller, run } = await withController()
    await using _ = controller
    const ran = await run(...args, '--json')
    expect([ran.exit, ran.stdout, ran.stderr.trimEnd().split('\n').length]).toEqual([exit, '', 1])
    expect(JSON.parse(ran.stderr)).toEqual({ error: { exit_code: exit, message: expect.any(String), ...(code ? { code } : {}) } })
  })
})

describe('colours', () => {
  it('are there on a terminal, and neither elsewhere, nor under NO_COLOR, nor in JSON', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    const said = async (more: Readonly<Record<string, string>>, tty: boolean, ...args: string[]) =>
      (await dcm(['agents', ...args], { ...env, ...more }, { tty })).stdout
    expect(await said({}, true)).toContain('\u001b[')
    for (const without of [await said({}, false), await said({ NO_COLOR: '1' }, true), await said({}, true, '--json'), await said({ FORCE_COLOR: '1' }, false)])
      expect(without).not.toContain('\u001b[')
  })
})

describe('the command line', () => {
  const commands = withSubcommands(createProgram(async () => {}))

  it('has no option that would take a key', () => {
    const names = commands.flatMap(({ options }) => options.map(({ long }) => long ?? ''))
    expect(names.filter((name) => /api|secret|password|token/.test(name))).toEqual([])
  })

  it('describes every command, option and argument, and all take --json and --profile', () => {
    for (const command of commands) {
      expect(command.description(), command.name()).not.toBe('')
      for (const { flags, description } of command.options) expect(description, `${command.name()} ${flags}`).not.toBe('')
      for (const argument of command.registeredArguments) expect(argument.description, `${command.name()} ${argument.name()}`).not.toBe('')
      expect(command.options.map(({ long }) => long)).toEqual(expect.arrayContaining(['--json', '--profile']))
    }
  })

  it('helps, with the exit codes', async () => {
    const { exit, stdout, stderr } = await dcm(['--help'])
    expect([exit, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/Exit codes:[\s\S]* 69 {2}A service cannot be reached/)
    expect(await dcm(['help', 'keys', 'make'])).toMatchObject({ exit: 0 })
    expect(await dcm([])).toMatchObject({ exit: 64, stdout: '', stderr: expect.stringContaining('Usage: dcm') })
    expect((await dcm(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})
