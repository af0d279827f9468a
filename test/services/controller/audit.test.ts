import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { RegisterResponseSchema } from '#lib/contract/agent.ts'
import { type AuditEntry, AuditPageSchema, hashedFields } from '#lib/contract/audit.ts'
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
    ['a gap', 'DELETE FROM audit_entries WHERE seq = 2', 3],
  ])('shows %s, made behind its back', async (_name, statement, at) => {
    await using controller = await TestController.open()
    for (let n = 1; n <= 3; n++) await controller.publish({ n })
    const db = new Database(controller.folder.file('controller.db'))
    db.exec(`DROP TRIGGER audit_entries_no_update; DROP TRIGGER audit_entries_no_delete; ${statement}`)
    db.close()
    expect(breakOf(await allEntries((path) => controller.request(path)))).toBe(at)
  })

  it('shows an edit whose hash was made anew by the entry after it, and by the head that the log has where all were', async () => {
    await using controller = await TestController.open()
    for (let n = 1; n <= 3; n++) await controller.publish({ n })
    const ask = (path: string) => controller.request(path)
    const { head } = await dataOf(await ask('/audit'), 200, AuditPageSchema)
    const db = new Database(controller.folder.file('controller.db'))
    db.exec('DROP TRIGGER audit_entries_no_update')
    const put = db.prepare('UPDATE audit_entries SET actor = ?, prev_hash = ?, hash = ? WHERE seq = ?')
    const forge = (entry: AuditEntry, changed: Partial<AuditEntry>): string => {
      const forged = { ...entry, ...changed }
      const digest = hash('sha256', hashedFields(forged), 'hex')
      put.run(forged.actor, forged.prev_hash, digest, forged.seq)
      return digest
    }
    const [, second, third] = await allEntries(ask)
    if (!second || !third) throw new Error('there are no three entries')
    const digest = forge(second, { actor: 'somebody' })
    expect(breakOf(await allEntries(ask))).toBe(3)
    forge(third, { prev_hash: digest })
    expect(breakOf(await allEntries(ask))).toBeUndefined()
    expect((await dataOf(await ask('/audit'), 200, AuditPageSchema)).head.hash).not.toBe(head.hash)
    db.close()
  })

  it('knows how many entries there were, whatever is cut off', async () => {
    await using controller = await TestController.open()
    for (let n = 1; n <= 3; n++) await controller.publish({ n })
    const db = new Database(controller.folder.file('controller.db'))
    db.exec('DROP TRIGGER audit_entries_no_delete; DELETE FROM audit_entries WHERE seq = 3')
    db.close()
    expect((await dataOf(await controller.request('/audit'), 200, AuditPageSchema)).head).toMatchObject({ seq: 2, written: 3 })
  })

  it('has a line of the log for each entry, with its hash, and holds no key, and neither does the log', async () => {
    using folder = new TempFolder()
    await using controller = controllerProcess({ ...env(folder), LOG_LEVEL: 'debug' })
    const port = await controller.listening()
    const bearer = { key: null, headers: { Authorization: `Bearer ${TEST_KEY}` } }
    await call(port, '/config', { body: { data: { n: 1 } }, ...bearer })
    await call(port, '/config/schema', { method: 'PUT', body: { type: 'object' } })
    await call(port, '/config', { body: { data: { n: 2 } }, headers: { 'Idempotency-Key': 'once' } })
    await call(port, '/config/rollback', { body: { version: 1 } })
    await call(port, '/config/rollback', { body: { version: 7 } })
    await call(port, '/config/schema', { method: 'DELETE' })
    const { agent_id } = await dataOf(await call(port, '/register', { body: { hostname: 'h', ip_address: 'i', port: 1 } }), 201, RegisterResponseSchema)
    await call(port, `/agents/${agent_id}`, { method: 'DELETE' })
    await (await call(port, '/backup')).arrayBuffer()
    await call(port, '/config', { body: { data: {} }, key: `${TEST_KEY}x` })
    const entries = await allEntries((path) => call(port, path))
    expect(entries.map(({ action }) => action)).toEqual(['publish', 'schema_set', 'publish', 'rollback', 'schema_deleted', 'agent_deleted'])
    for (const { seq, hash } of entries) {
      expect(await controller.line(`entry ${seq}`, (line) => line.audit_seq === seq)).toMatchObject({ level: 30, audit_hash: hash })
    }
    for (const text of [JSON.stringify(entries), JSON.stringify(controller.lines), controller.stderr]) expect(text).not.toContain(TEST_KEY)
    const files = readdirSync(folder.path).map((name) => readFileSync(folder.file(name), 'latin1'))
    for (const content of files) expect(content).not.toContain(TEST_KEY)
  })
})
