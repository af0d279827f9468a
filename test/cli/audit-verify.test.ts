import { createHash } from 'node:crypto'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { hashedFields } from '#lib/contract/audit.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { importGoDatabase } from '#lib/store/sqlite/import-go.ts'
import { TestController } from '#test/_support/controller.ts'
import { dcm } from '#test/_support/dcm.ts'
import { tamper } from '#test/_support/tampered.ts'
import { TempFolder } from '#test/_support/temp.ts'

const VerifiedSchema = z.object({
  whole: z.boolean(),
  entries: z.number(),
  head: z.object({ seq: z.number(), hash: z.string() }),
  findings: z.array(z.looseObject({ kind: z.string(), seq: z.number(), message: z.string() })),
})

/** A controller with some changes, whose file somebody has written to before the audit is verified. */
async function verified(statements: readonly string[], options: { readonly publishes?: number; readonly head?: (head: string) => string } = {}) {
  await using controller = await TestController.open()
  const { port } = await controller.listen()
  const env = { CONTROLLER_URL: `http://127.0.0.1:${port}` }
  for (let n = 1; n <= (options.publishes ?? 5); n++) await controller.request('/config', { body: { data: { n }, comment: `change ${n}` } })
  const head = (await controller.deps.store.audit({ limit: 1 })).head.hash
  tamper(controller.deps.config.dbPath, ...statements)
  const args = ['audit', 'verify', ...(options.head ? ['--head', options.head(head)] : [])]
  const [text, asJson] = [await dcm(args, env), await dcm([...args, '--json'], env)]
  expect(asJson.exit).toBe(text.exit)
  return { ...text, result: VerifiedSchema.parse(JSON.parse(asJson.stdout)), head }
}

describe('audit verify', () => {
  it('ends with 0 where it is whole, and prints the head', async () => {
    const { exit, stdout, stderr, head } = await verified([], { head: (hash) => hash.toUpperCase() })
    expect({ exit, stdout, stderr }).toEqual({ exit: 0, stdout: `the audit is whole: 5 entries, head ${head}\n`, stderr: '' })
  })

  it('reads all of it, however many pages that are', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    await Promise.all(Array.from({ length: 2100 }, () => controller.publish({})))
    const env = { CONTROLLER_URL: `http://127.0.0.1:${port}` }
    expect((await dcm(['audit', 'verify'], env)).stdout).toContain('the audit is whole: 2100 entries')
    tamper(controller.deps.config.dbPath, "UPDATE audit_entries SET actor = 'somebody' WHERE seq = 7")
    expect(await dcm(['audit', 'verify'], env)).toMatchObject({ exit: 65, stdout: expect.stringContaining('entry 7 was altered') })
  })

  it.each([
    ['an entry that was altered', ["UPDATE audit_entries SET comment = 'another' WHERE seq = 3"], 'edit', 3, /entry 3 was altered/],
    ['the newest that was altered', ["UPDATE audit_entries SET actor = 'another' WHERE seq = 5"], 'edit', 5, /entry 5 was altered/],
    ['the first that was altered', ["UPDATE audit_entries SET address = '1.2.3.4' WHERE seq = 1"], 'edit', 1, /entry 1 was altered/],
    ['an entry that was taken out', ['DELETE FROM audit_entries WHERE seq = 3'], 'gap', 3, /entry 3 is missing/],
    ['several that were taken out', ['DELETE FROM audit_entries WHERE seq IN (2, 3, 4)'], 'gap', 2, /entries 2 to 4 are missing/],
    ['the oldest that were taken out', ['DELETE FROM audit_entries WHERE seq < 3'], 'gap', 1, /entries 1 to 2 are missing/],
    ['a tail that was cut off', ['DELETE FROM audit_entries WHERE seq > 3'], 'cut', 3, /tail was cut off: entries 4 to 5 are missing/],
    ['all that was cut off', ['DELETE FROM audit_entries'], 'cut', 0, /tail was cut off: entries 1 to 5 are missing/],
    [
      'a tail that was cut off with the number of them',
      ['DELETE FROM audit_entries WHERE seq > 3', "UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit_entries'"],
      'cut',
      3,
      /newest entry knows version 3, and version 5 is published/,
    ],
    [
      'all that was cut off with the number of them',
      ['DELETE FROM audit_entries', "DELETE FROM sqlite_sequence WHERE name = 'audit_entries'"],
      'cut',
      0,
      /newest entry knows version 0, and version 5 is published/,
    ],
  ])('finds %s, with 65', async (_name, statements, kind, seq, message) => {
    const { exit, stdout, result } = await verified(statements)
    expect(exit).toBe(65)
    expect(stdout).toMatch(message)
    expect(result.whole).toBe(false)
    expect(result.findings).toContainEqual(expect.objectContaining({ kind, seq, message: expect.stringMatching(message) }))
  })

  it('finds an entry that was written anew with a hash that fits', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    for (let n = 1; n <= 4; n++) await controller.publish({ n })
    const { entries } = await controller.deps.store.audit({ limit: 10 })
    const second = entries.find(({ seq }) => seq === 2)
    if (second === undefined) throw new Error('there is no second entry')
    const forged = createHash('sha256')
      .update(hashedFields({ ...second, actor: 'somebody' }))
      .digest('hex')
    tamper(controller.deps.config.dbPath, `UPDATE audit_entries SET actor = 'somebody', hash = '${forged}' WHERE seq = 2`)
    const ran = await dcm(['audit', 'verify'], { CONTROLLER_URL: `http://127.0.0.1:${port}` })
    expect(ran).toMatchObject({ exit: 65, stdout: expect.stringContaining('entry 2 is not the one that entry 3 was written after: it was replaced') })
  })

  it('finds, by a head that was kept elsewhere, what was written anew from one entry on', async () => {
    const cut = [
      'DELETE FROM audit_entries WHERE seq > 3',
      'DELETE FROM config_versions WHERE version > 3',
      "UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit_entries'",
    ]
    expect((await verified(cut)).exit).toBe(0)
    const { exit, stdout, head } = await verified(cut, { head: (hash) => hash })
    expect(exit).toBe(65)
    expect(stdout).toContain(`head: no entry has the hash ${head}`)
  })

  it('takes an older head for one', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    await controller.publish({})
    const { hash } = (await controller.deps.store.audit({ limit: 1 })).head
    await controller.publish({})
    const env = { CONTROLLER_URL: `http://127.0.0.1:${port}` }
    expect((await dcm(['audit', 'verify', '--head', hash], env)).exit).toBe(0)
    expect(await dcm(['audit', 'verify', '--head', 'abc'], env)).toMatchObject({ exit: 64, stderr: expect.stringContaining('64 hexadecimal digits') })
  })

  it('misses nothing where nothing was ever audited: versions of before', async () => {
    using folder = new TempFolder()
    const go = new Database(folder.file('go.db'))
    go.exec('CREATE TABLE configs(id TEXT PRIMARY KEY, version INTEGER UNIQUE, data TEXT, poll_interval_seconds INTEGER, created_at DATETIME)')
    go.exec('CREATE TABLE agents(id TEXT PRIMARY KEY, hostname, ip_address, port INTEGER, status, created_at, updated_at)')
    go.exec("INSERT INTO configs VALUES ('one', 1, '{}', 30, '2026-01-02 03:04:05')")
    go.close()
    importGoDatabase({ from: folder.file('go.db'), to: folder.file('new.db'), migrations: migrationsFolder() })
    await using controller = await TestController.open({ env: { CONTROLLER_DB_PATH: folder.file('new.db') } })
    const { port } = await controller.listen()
    const verify = () => dcm(['audit', 'verify'], { CONTROLLER_URL: `http://127.0.0.1:${port}` })
    expect(await verify()).toMatchObject({ exit: 0, stdout: `the audit is whole: 0 entries, head ${'0'.repeat(64)}\n` })
    await controller.publish({ n: 2 })
    expect((await verify()).exit).toBe(0)
  })
})
