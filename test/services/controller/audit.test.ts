import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { AuditPageSchema } from '#lib/contract/audit.ts'
import { allEntries, breakOf } from '#test/_support/audit.ts'
import { dataOf, requestInit, TEST_KEY, TestController, type TestRequest } from '#test/_support/controller.ts'
import { controllerProcess } from '#test/_support/process.ts'
import { TempFolder } from '#test/_support/temp.ts'

const call = (port: number, path: string, request?: TestRequest) => fetch(`http://127.0.0.1:${port}${path}`, requestInit(request))
const env = (folder: TempFolder) => ({ DATA_DIR: folder.path, API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })

describe('the audit', () => {
  it('says who did what, from where, when and why, and chains the entries', async () => {
    await using controller = await TestController.open()
    const { fetch: ask } = await controller.listen()
    const publish = { body: { data: { n: 1 }, comment: 'first' }, headers: { 'X-Request-Id': 'the-request' } }
    await ask('/config', publish)
    await ask('/config/schema', { method: 'PUT', body: { type: 'object' } })
    await ask('/register', { body: { hostname: 'web-01', ip_address: '10.0.0.7', port: 8081 } })
    const [agent] = (await controller.deps.fleet.page({})).agents
    await ask(`/agents/${agent?.agent_id}`, { method: 'DELETE' })
    await ask('/config/rollback', { body: { version: 1 } })
    await ask('/config/schema', { method: 'DELETE' })
    const entries = await allEntries(ask)
    expect(entries.map(({ action, version_before, version_after }) => [action, version_before, version_after])).toEqual([
      ['publish', null, 1],
      ['schema_set', 1, 1],
      ['agent_deleted', 1, 1],
      ['rollback', 1, 2],
      ['schema_deleted', 2, 2],
    ])
    expect(entries[0]).toMatchObject({ actor: 'API_KEY', key_id: 'bootstrap', address: '127.0.0.1', request_id: 'the-request', comment: 'first' })
    expect(entries[2]?.subject).toBe(`${agent?.agent_id} (web-01)`)
    expect(breakOf(entries)).toBeUndefined()
  })

  it('cannot be altered or shortened by a statement', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const db = new Database(controller.folder.file('controller.db'))
    expect(() => db.exec("UPDATE audit_entries SET actor = 'somebody'")).toThrow('append-only')
    expect(() => db.exec('DELETE FROM audit_entries')).toThrow('append-only')
    db.close()
  })

  it.each<[string, string, number]>([
    ['an edit', "UPDATE audit_entries SET actor = 'somebody' WHERE seq = 2", 2],
    ['an edit with its own hash made anew', "UPDATE audit_entries SET comment = 'x', hash = 'y' WHERE seq = 2", 2],
    ['a gap', 'DELETE FROM audit_entries WHERE seq = 2', 3],
  ])('shows %s, made behind its back', async (_name, statement, at) => {
    await using controller = await TestController.open()
    for (let n = 1; n <= 3; n++) await controller.publish({ n })
    const db = new Database(controller.folder.file('controller.db'))
    db.exec(`DROP TRIGGER audit_entries_no_update; DROP TRIGGER audit_entries_no_delete; ${statement}`)
    db.close()
    expect(breakOf(await allEntries((path) => controller.request(path)))).toBe(at)
  })

  it('knows how many entries there were, whatever is cut off', async () => {
    await using controller = await TestController.open()
    for (let n = 1; n <= 3; n++) await controller.publish({ n })
    const db = new Database(controller.folder.file('controller.db'))
    db.exec('DROP TRIGGER audit_entries_no_delete; DELETE FROM audit_entries WHERE seq = 3')
    db.close()
    expect((await dataOf(await controller.request('/audit'), 200, AuditPageSchema)).head).toMatchObject({ seq: 2, written: 3 })
  })

  it('holds no key, and neither does the log', async () => {
    using folder = new TempFolder()
    await using controller = controllerProcess(env(folder))
    const port = await controller.listening()
    await call(port, '/config', { body: { data: { n: 1 } } })
    const entries = await allEntries((path) => call(port, path))
    expect(JSON.stringify(entries)).not.toContain(TEST_KEY)
    const published = await controller.line('the publish', ({ msg }) => msg.includes('published'))
    expect(published).toMatchObject({ audit_seq: 1, audit_hash: entries[0]?.hash })
    expect(JSON.stringify(controller.lines)).not.toContain(TEST_KEY)
  })
})
