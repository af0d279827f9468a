import { hash } from 'node:crypto'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { AUDIT_START, type AuditEntry, AuditPageSchema, hashedFields } from '#lib/contract/audit.ts'
import { ConfigSchema } from '#lib/contract/config.ts'
import { dataOf, requestInit, TEST_KEY, TestController, type TestRequest } from '#test/_support/controller.ts'
import { controllerProcess } from '#test/_support/process.ts'
import { TempFolder } from '#test/_support/temp.ts'

const call = (port: number, path: string, request?: TestRequest) => fetch(`http://127.0.0.1:${port}${path}`, requestInit(request))
const env = (folder: TempFolder) => ({ DATA_DIR: folder.path, API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })

/** Every entry, the oldest first. */
async function allEntries(ask: (path: string) => Promise<Response>): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = []
  for (let before: number | undefined; ; ) {
    const page = await dataOf(await ask(`/audit?limit=1000${before ? `&before=${before}` : ''}`), 200, AuditPageSchema)
    entries.push(...page.entries)
    before = page.next_before
    if (before === undefined) return entries.reverse()
  }
}

/** Where the chain breaks: the seq of the first entry that does not stand on the one before; undefined where it is whole. */
function breakOf(entries: readonly AuditEntry[]): number | undefined {
  let before = AUDIT_START
  for (const [i, entry] of entries.entries()) {
    if (entry.seq !== i + 1 || entry.prev_hash !== before || entry.hash !== hash('sha256', hashedFields(entry), 'hex')) return entry.seq
    before = entry.hash
  }
  return undefined
}

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

  it('has the entry of every version and of no other, wherever the process was killed', async () => {
    using folder = new TempFolder()
    const acknowledged = new Map<number, string>()
    for (const publishes of [1, 7, 30, 90]) {
      await using controller = controllerProcess(env(folder))
      const port = await controller.listening()
      let answers = 0
      const publisher = async (name: number) => {
        try {
          for (let i = 0; ; i++) {
            const headers = { 'Idempotency-Key': `${publishes}-${name}-${i}` }
            const config = await dataOf(await call(port, '/config', { body: { data: { i } }, headers }), 201, ConfigSchema)
            acknowledged.set(config.version, headers['Idempotency-Key'])
            if (++answers === publishes) controller.signal('SIGKILL')
          }
        } catch (error) {
          if (answers < publishes) throw error
        }
      }
      await Promise.all(Array.from({ length: 8 }, (_, name) => publisher(name)))
      expect(await controller.ended).toEqual({ code: null, signal: 'SIGKILL' })
    }
    await using controller = controllerProcess(env(folder))
    const port = await controller.listening()
    const entries = await allEntries((path) => call(port, path))
    const { version } = await dataOf(await call(port, '/config'), 200, ConfigSchema)
    expect(breakOf(entries)).toBeUndefined()
    expect(entries.map(({ version_after }) => version_after)).toEqual(Array.from({ length: version }, (_, i) => i + 1))
    // Each repeat of what was acknowledged gives that version again: the key was stored with it.
    for (const [known, key] of [...acknowledged].slice(-20)) {
      const again = await call(port, '/config', { body: { data: { i: Number(key.split('-')[2]) } }, headers: { 'Idempotency-Key': key } })
      expect((await dataOf(again, 201, ConfigSchema)).version).toBe(known)
    }
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
