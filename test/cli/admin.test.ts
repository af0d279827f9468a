import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { KeysSchema, MadeKeySchema } from '#lib/contract/keys.ts'
import { dcm, withController } from '#test/_support/dcm.ts'
import { TempFolder } from '#test/_support/temp.ts'

describe('keys', () => {
  it('are made, shown once, listed and revoked', async () => {
    const { controller, run, json, env } = await withController()
    await using _ = controller
    const made = await run('keys', 'make', 'web-01', '--role', 'agent', '--expires', '2099-01-01T00:00:00Z')
    expect(made).toMatchObject({ exit: 0, stdout: expect.stringMatching(/^dcm_\S+\n$/) })
    const key = made.stdout.trim()
    expect(made.stderr).toMatch(/^made a key for web-01, role agent, id [0-9a-f-]{36}; it is shown this once\n$/)
    expect((await run('keys')).stdout).toMatch(/^NAME .*\nweb-01 +agent +dcm_\S+ .* 2099-01-01T00:00:00\.000Z /)
    expect((await run('keys')).stdout).not.toContain(key)
    // An agent may not publish.
    const refused = await dcm(['publish', '--set', 'a=1'], { ...env, API_KEY: key })
    expect(refused).toMatchObject({ exit: 77, stderr: expect.stringContaining('[NOT_PERMITTED]') })
    expect(await dcm(['history'], { ...env, API_KEY: key })).toMatchObject({ exit: 77, stderr: expect.stringContaining('[NOT_PERMITTED]') })
    const [listed] = KeysSchema.parse(await json('keys')).keys
    expect(await run('keys', 'revoke', listed?.id ?? '')).toMatchObject({ exit: 0, stdout: `revoked ${listed?.id}\n` })
    expect(await dcm(['get'], { ...env, API_KEY: key })).toMatchObject({ exit: 77, stderr: expect.stringContaining('[FORBIDDEN]') })
    expect(await run('keys', 'revoke', 'nope')).toMatchObject({ exit: 65 })
    expect(MadeKeySchema.parse(await json('keys', 'make', 'ann', '--role', 'admin'))).toMatchObject({ name: 'ann' })
    for (const args of [
      ['make', 'x'],
      ['make', 'x', '--role', 'king'],
      ['make', '--role', 'agent'],
    ])
      expect((await run('keys', ...args)).exit).toBe(64)
    expect((await run('keys', 'make', 'x', '--role', 'agent', '--expires', 'tomorrow')).exit).toBe(65)
  })
})

describe('schema', () => {
  it('is set, shown and deleted', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    await controller.publish({ n: 'x' })
    writeFileSync(folder.file('s.json'), '{"properties":{"n":{"type":"number"}}}')
    expect(await run('schema')).toMatchObject({ exit: 65, stderr: expect.stringContaining('no config schema is set') })
    expect(await run('schema', 'set', folder.file('s.json'))).toMatchObject({ exit: 65, stderr: expect.stringContaining('[SCHEMA_VIOLATION]') })
    expect(await run('schema', 'set', folder.file('s.json'), '--force', '--comment', 'why')).toEqual({
      exit: 0,
      stdout: 'the config schema is in force\n',
      stderr: '',
    })
    expect((await run('schema')).stdout).toBe('{\n  "properties": {\n    "n": {\n      "type": "number"\n    }\n  }\n}\n')
    expect(await run('schema', 'delete')).toMatchObject({ exit: 0, stdout: 'the config schema is deleted\n' })
    expect((await run('audit')).stdout).toMatch(/schema_deleted[\s\S]*schema_set +1 +- +why\n/)
    writeFileSync(folder.file('bad.json'), '{"type":"nonsense"}')
    expect(await run('schema', 'set', folder.file('bad.json'))).toMatchObject({ exit: 65, stderr: expect.stringContaining('[INVALID_SCHEMA]') })
    expect((await run('schema', 'set', folder.file('none.json'))).exit).toBe(66)
  })
})

describe('audit', () => {
  it('lists changes, with who, from where, what and why', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    await run('publish', '--set', 'n=1', '--comment', 'first')
    await run('rollback', '1')
    expect((await run('audit')).stdout).toMatch(
      /^SEQ .*\n2 +\S+ +API_KEY +127\.0\.0\.1 +rollback +1 -> 2 .*\n1 +\S+ +API_KEY +127\.0\.0\.1 +publish +- -> 1 +- +first\n$/,
    )
    expect(await run('audit', '--limit', '1')).toMatchObject({ exit: 0, stderr: 'there are older ones: --limit\n' })
  })
})
