import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { commonEnv, headerText, list, parseEnv, port, StartError, serviceUrl, whole } from '#lib/runtime/env.ts'
import { nodeProblem } from '#lib/runtime/node-version.ts'

const schema = z.object({
  ...commonEnv,
  PORT: port(6001),
  COUNT: whole(1, 10, 3),
  PEER_URL: serviceUrl('http://localhost:6001'),
  API_KEY: headerText().default('default'),
  NAMES: list(),
})

/** The refusal of an environment. */
function refusal(environment: Readonly<Record<string, string>>): StartError {
  try {
    parseEnv(schema, environment)
  } catch (error) {
    if (error instanceof StartError) return error
    throw error
  }
  throw new Error('the environment was taken')
}

describe('parseEnv', () => {
  it('gives the defaults where nothing is set, and where variables are set to nothing', () => {
    const defaults = parseEnv(schema, {})
    expect(defaults).toMatchObject({
      PORT: 6001,
      COUNT: 3,
      PEER_URL: 'http://localhost:6001',
      API_KEY: 'default',
      DATA_DIR: './data',
      SHUTDOWN_TIMEOUT_SECONDS: 10,
      LOG_LEVEL: 'info',
      MAX_CONFIG_BYTES: 1_048_576,
      ALLOWED_HOSTS: [],
    })
    expect(parseEnv(schema, Object.fromEntries(Object.keys(schema.shape).map((name) => [name, ''])))).toEqual(defaults)
  })

  it('reads what is set, and nothing else', () => {
    const read = parseEnv(schema, { PORT: '0', COUNT: '10', PEER_URL: 'https://a.example/', NAMES: ' a, ,b ', UNKNOWN: 'x', PATH: '/bin' })
    expect(read).toMatchObject({ PORT: 0, COUNT: 10, PEER_URL: 'https://a.example', NAMES: ['a', 'b'] })
    expect(Object.keys(read)).not.toContain('UNKNOWN')
  })

  it('does not repeat the credentials in a URL', () => {
    expect(refusal({ PEER_URL: 'http://user:pass@a' }).message).toBe(
      'Cannot start: PEER_URL must be a URL like http://host:6001, without credentials and path, not "http://…@a"',
    )
  })

  it.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '6001.5'],
    ['PORT', '0x1771'],
    ['PORT', ' 6001'],
    ['PORT', '6001\n'],
    ['PORT', '١'],
    ['COUNT', '0'],
    ['COUNT', '11'],
    ['COUNT', '9999999999999999'],
    ['PEER_URL', 'localhost:6001'],
    ['PEER_URL', 'ftp://a'],
    ['PEER_URL', 'http://a/path'],
    ['PEER_URL', 'http://a?x'],
    ['PEER_URL', 'http://'],
    ['LOG_LEVEL', 'INFO'],
    ['LOG_FORMAT', 'xml'],
    ['SHUTDOWN_TIMEOUT_SECONDS', '0'],
    ['MAX_CONFIG_BYTES', '1'],
  ])('refuses %s=%j with one line that names variable, value and what it must be', (name, value) => {
    const { message, exitCode } = refusal({ [name]: value })
    expect(exitCode).toBe(78)
    expect(message).toMatch(/^Cannot start: .+$/)
    expect(message).not.toContain('\n')
    expect(message).toContain(`${name} must be `)
    expect(message).toContain(`not ${JSON.stringify(value)}`)
  })

  it('names every wrong variable', () => expect(refusal({ PORT: 'x', COUNT: 'y' }).message).toMatch(/PORT must .* not "x"; COUNT must .* not "y"$/))

  it.each(['two words', 'new\nline', 'ümlaut', '\t'])('refuses the key %j without showing it', (key) => {
    const { message } = refusal({ API_KEY: key })
    expect(message).toMatch(/API_KEY must be printable ASCII without spaces, and its value is not shown here$/)
    expect(message).not.toContain(key)
  })
})

describe('nodeProblem', () => {
  it.each(['22.19.0', '22.20.1', '24.0.0', '24.21.0', '26.1.0'])('takes %s', (version) => expect(nodeProblem(version)).toBeUndefined())
  it.each(['20.20.2', '22.18.9', '18.0.0', '9.99.9'])('refuses %s', (version) =>
    expect(nodeProblem(version)).toContain(`this is Node.js ${version}, and 22.19 or later is needed`),
  )
})
