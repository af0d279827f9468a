import { chmodSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadSettings } from '#cli/settings.ts'
import { dcm, withController } from '#test/_support/dcm.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** A file of profiles. */
function profiles(folder: TempFolder, content: unknown, mode = 0o600): string {
  const path = folder.file('config.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  chmodSync(path, mode)
  return path
}
const two = {
  default: 'here',
  profiles: {
    here: { controller_url: 'http://here:1/', worker_url: 'http://here:2', api_key: 'key-of-here', worker_api_key: 'worker-key-of-here' },
    away: { controller_url: 'http://away:1', api_key_file: 'away.key' },
  },
}

describe('settings', () => {
  it('are those of this host where nothing else is said', () => {
    expect(loadSettings({ HOME: '/nonexistent' }, undefined)).toEqual({
      controllerUrl: 'http://localhost:6001',
      workerUrl: 'http://localhost:6002',
      agentUrl: 'http://localhost:8081',
      apiKey: 'default-api-key',
      workerApiKey: undefined,
      named: { worker: false, agent: false },
      profile: undefined,
    })
    expect(loadSettings({ HOME: '/nonexistent', CONTROLLER_PORT: '7001', WORKER_PORT: '7002', AGENT_PORT: '7003' }, undefined)).toMatchObject({
      controllerUrl: 'http://localhost:7001',
      workerUrl: 'http://localhost:7002',
      agentUrl: 'http://localhost:7003',
    })
  })

  it('come from the default profile, or from one that is named', () => {
    using folder = new TempFolder()
    writeFileSync(folder.file('away.key'), 'key-of-away\n')
    const env = { DCM_CONFIG: profiles(folder, two) }
    expect(loadSettings(env, undefined)).toMatchObject({
      profile: 'here',
      controllerUrl: 'http://here:1',
      workerUrl: 'http://here:2',
      apiKey: 'key-of-here',
      workerApiKey: 'worker-key-of-here',
      named: { worker: true },
    })
    for (const away of [loadSettings(env, 'away'), loadSettings({ ...env, DCM_PROFILE: 'away' }, undefined)])
      expect(away).toMatchObject({ profile: 'away', controllerUrl: 'http://away:1', apiKey: 'key-of-away', workerUrl: 'http://localhost:6002' })
    expect(loadSettings({ ...env, DCM_PROFILE: 'away' }, 'here').profile).toBe('here')
  })

  it('of the environment go before a profile, unless that is named on the command line', () => {
    using folder = new TempFolder()
    const env = { DCM_CONFIG: profiles(folder, two), CONTROLLER_URL: 'http://env:1', API_KEY: 'key-of-env' }
    expect(loadSettings(env, undefined)).toMatchObject({ controllerUrl: 'http://env:1', apiKey: 'key-of-env', workerUrl: 'http://here:2' })
    expect(loadSettings(env, 'here')).toMatchObject({ controllerUrl: 'http://here:1', apiKey: 'key-of-here' })
  })

  it('never give the key of a profile to an address that is not the profile’s', () => {
    using folder = new TempFolder()
    const DCM_CONFIG = profiles(folder, two)
    expect(() => loadSettings({ DCM_CONFIG, CONTROLLER_URL: 'http://other:1' }, undefined)).toThrow(
      /CONTROLLER_URL says http:\/\/other:1, and the key is that of the profile "here"/,
    )
    expect(() => loadSettings({ DCM_CONFIG, WORKER_URL: 'http://other:2' }, undefined)).toThrow(/WORKER_URL says/)
    expect(loadSettings({ DCM_CONFIG, CONTROLLER_URL: 'http://here:1/' }, undefined).apiKey).toBe('key-of-here')
  })

  it('may have the key in a file', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    writeFileSync(folder.file('key'), 'a-key-of-its-own\n')
    expect((await dcm(['status'], { ...env, API_KEY: '', API_KEY_FILE: folder.file('key') })).exit).toBe(0)
    expect(await dcm(['status'], { ...env, API_KEY: '', API_KEY_FILE: folder.file('no-key') })).toMatchObject({
      exit: 78,
      stderr: expect.stringContaining('no-key'),
    })
    expect(await dcm(['status'], { ...env, API_KEY: 'x', API_KEY_FILE: folder.file('key') })).toMatchObject({
      exit: 78,
      stderr: expect.stringContaining('both set'),
    })
    expect(loadSettings({ HOME: '/nonexistent', WORKER_API_KEY_FILE: folder.file('key') }, undefined).workerApiKey).toBe('a-key-of-its-own')
  })

  it.each<[string, unknown, number, RegExp]>([
    ['holds keys that others may read', two, 0o644, /others may read it; run: chmod 600/],
    ['holds keys that the group may read', two, 0o640, /others may read it/],
    ['is no JSON', '{"profiles": {"a": {"api_key": "very-secret" x', 0o600, /it is no JSON/],
    ['has a field that is none', { profiles: { a: { url: 'http://x:1' } } }, 0o600, /profiles\.a/],
    ['has an address that is none', { profiles: { a: { controller_url: 'x' } } }, 0o600, /profiles\.a\.controller_url: expected a URL/],
    ['has two keys for one', { profiles: { a: { api_key: 'very-secret', api_key_file: 'b' } } }, 0o600, /api_key or api_key_file, not both/],
    ['has no such profile', { default: 'b', profiles: { a: {} } }, 0o600, /profile "b": .* has a/],
    ['has a default as its prototype has one', { default: 'constructor', profiles: { a: {} } }, 0o600, /profile "constructor"/],
  ])('are refused with 78 where the file %s; no key is shown', async (_name, content, mode, message) => {
    using folder = new TempFolder()
    const ran = await dcm(['status'], { DCM_CONFIG: profiles(folder, content, mode) })
    expect(ran).toMatchObject({ exit: 78, stdout: '' })
    expect(ran.stderr).toMatch(message)
    for (const key of ['key-of-here', 'very-secret']) expect(ran.stderr).not.toContain(key)
  })

  it('may be read by others where they hold no key', () => {
    using folder = new TempFolder()
    const DCM_CONFIG = profiles(folder, { default: 'a', profiles: { a: { controller_url: 'http://a:1' } } }, 0o644)
    expect(loadSettings({ DCM_CONFIG }, undefined).controllerUrl).toBe('http://a:1')
  })

  it('are refused with 78 where a named file or profile is not there, or an address is none', async () => {
    expect(await dcm(['status'], { DCM_CONFIG: '/nonexistent/config.json' })).toMatchObject({
      exit: 78,
      stderr: expect.stringContaining('DCM_CONFIG names it'),
    })
    expect(await dcm(['status', '--profile', 'x'])).toMatchObject({ exit: 78, stderr: expect.stringContaining('is not there') })
    const ran = await dcm(['status'], { CONTROLLER_URL: 'http://user:very-secret@host:1' })
    expect(ran.exit).toBe(78)
    expect(ran.stderr).not.toContain('very-secret')
  })
})

describe('profile', () => {
  it('lists them without their keys, and says which file they are in', async () => {
    using folder = new TempFolder()
    const DCM_CONFIG = profiles(folder, two)
    const ran = await dcm(['profile'], { DCM_CONFIG })
    expect(ran).toMatchObject({ exit: 0, stderr: `from ${DCM_CONFIG}\n` })
    expect(ran.stdout).toMatch(/^NAME .*\nhere +yes +http:\/\/here:1\/ .* in the profile +in the profile\naway +- +http:\/\/away:1 .*away\.key/)
    expect(ran.stdout).not.toContain('key-of-here')
    expect(await dcm(['profile'])).toMatchObject({ exit: 0, stderr: expect.stringContaining('/nonexistent/.config/dcm/config.json') })
    expect((await dcm(['profile'], { XDG_CONFIG_HOME: '/xdg' })).stderr).toContain('/xdg/dcm/config.json')
  })
})
