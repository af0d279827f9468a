import { describe, expect, it } from 'vitest'
import { ConfigSchema } from '#lib/contract/config.ts'
import { HistoryPageSchema } from '#lib/contract/history.ts'
import { withController } from '#test/_support/dcm.ts'

describe('history, get, diff and rollback', () => {
  it('show what was, what differs, and go back', async () => {
    const { controller, run, json, latest } = await withController()
    await using _ = controller
    await run('publish', '--set', 'n=1', '--comment', 'first')
    await run('publish', '--set', 'n=2')
    expect((await run('diff', '1', '2')).stdout).toBe('~ data.n: 1 -> 2\n')
    expect((await run('diff', '2', '2')).stdout).toBe('nothing differs\n')
    expect(await run('rollback', '1', '--comment', 'why')).toEqual({ exit: 0, stdout: 'published version 3, with the content of version 1\n', stderr: '' })
    expect(latest()).toEqual({ n: 1 })
    expect((await run('history')).stdout).toMatch(/^VERSION .*\n3 .*rollback of 1: why\n2 .*\n1 .*first\n$/)
    expect(ConfigSchema.parse(await json('get', '2'))).toMatchObject({ version: 2, data: { n: 2 } })
    expect(ConfigSchema.parse(await json('get'))).toMatchObject({ version: 3, data: { n: 1 } })
    expect(await json('get', '2', '--data')).toEqual({ n: 2 })
    expect(await run('get', '--data')).toEqual({ exit: 0, stdout: '{\n  "n": 1\n}\n', stderr: '' })
  })

  it('show a history of more versions than a page holds, and where it goes on', async () => {
    const { controller, run, json } = await withController()
    await using _ = controller
    await Promise.all(Array.from({ length: 1205 }, () => controller.publish({})))
    const versions = async (...args: string[]) => HistoryPageSchema.parse(await json('history', ...args)).configs.map(({ version }) => version)
    expect(await versions('--limit', '1204')).toEqual(Array.from({ length: 1204 }, (_, i) => 1205 - i))
    expect(await versions('--limit', '3', '--before', '100')).toEqual([99, 98, 97])
    expect(await run('history', '--limit', '2')).toMatchObject({ exit: 0, stderr: 'there are older ones: --before 1204, or --limit\n' })
    expect((await run('history', '--limit', '5000')).stderr).toBe('')
  })

  it('say what is not there', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    expect(await run('get')).toMatchObject({ exit: 65, stderr: 'dcm: no config available [NOT_FOUND]\n' })
    await controller.publish({ n: 1 })
    const missing = { exit: 65, stdout: '', stderr: 'dcm: config version not found [NOT_FOUND]\n  version: there is no version 9\n' }
    expect(await run('rollback', '9')).toEqual(missing)
    expect(await run('diff', '1', '9')).toEqual(missing)
    expect((await run('get', '9')).exit).toBe(65)
    for (const args of [['get', 'x'], ['diff', '1'], ['rollback', '0'], ['rollback']]) expect((await run(...args)).exit).toBe(64)
  })

  it('roll back only what meets the schema and is still the latest', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    await controller.publish({ n: 'x' })
    await controller.publish({ n: 1 })
    await controller.request('/config/schema', { method: 'PUT', body: { properties: { n: { type: 'number' } } } })
    expect(await run('rollback', '1')).toMatchObject({ exit: 65, stderr: expect.stringContaining('[SCHEMA_VIOLATION]') })
    expect(await run('rollback', '1', '--dry-run')).toMatchObject({ exit: 65, stdout: expect.stringContaining('violation data.n') })
    expect(await run('rollback', '2', '--if-version', '1')).toMatchObject({ exit: 65, stderr: expect.stringContaining('[VERSION_CONFLICT]') })
    expect(controller.deps.feed.current?.version).toBe(2)
  })
})
