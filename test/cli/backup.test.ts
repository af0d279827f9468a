import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { systemClock } from '#lib/runtime/clock.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { dcm, withController } from '#test/_support/dcm.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

describe('backup', () => {
  it('under publishes, restored, is a database with all that was acknowledged before', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    for (let n = 1; n <= 30; n++) await controller.publish({ n, filling: 'x'.repeat(20_000) })
    let over = false
    const publishing = (async () => {
      for (let n = 0; !over; n++) await controller.publish({ n })
    })()
    const ran = await run('backup', folder.file('b.db'))
    over = true
    await publishing
    expect(ran).toMatchObject({ exit: 0, stdout: `${folder.file('b.db')}\n`, stderr: expect.stringMatching(/^wrote \d+ bytes/) })
    expect(statSync(folder.file('b.db')).mode & 0o777).toBe(0o600)
    const restored = await dcm(['restore', folder.file('b.db'), '--to', folder.file('data/controller.db'), '--json'])
    expect(restored).toMatchObject({ exit: 0, stderr: '' })
    await using store = openSqliteStore({ path: folder.file('data/controller.db'), migrations: migrationsFolder(), clock: systemClock })
    const latest = (await store.latest())?.version ?? 0
    expect(latest).toBeGreaterThanOrEqual(30)
    expect(JSON.parse(restored.stdout)).toEqual({
      versions: latest,
      latest_version: latest,
      audit_entries: latest,
      path: folder.file('data/controller.db'),
    })
    for (let version = 1; version <= latest; version++) expect(await store.byVersion(version)).toMatchObject({ version })
    expect(await store.byVersion(30)).toEqual(await controller.deps.store.byVersion(30))
  })

  it('says how large it is, and its digest', async () => {
    const { controller, json } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    await controller.publish({ n: 1 })
    const said = await json('backup', folder.file('b.db'))
    const bytes = readFileSync(folder.file('b.db'))
    expect(said).toEqual({ file: folder.file('b.db'), bytes: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex') })
  })

  it('overwrites nothing without --force', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    writeFileSync(folder.file('b.db'), 'precious')
    expect(await run('backup', folder.file('b.db'))).toMatchObject({ exit: 73, stderr: expect.stringContaining('it exists already') })
    expect(readFileSync(folder.file('b.db'), 'utf8')).toBe('precious')
    expect((await run('backup', folder.file('b.db'), '--force')).exit).toBe(0)
    const db = new Database(folder.file('b.db'), { readonly: true })
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    db.close()
    expect(readdirSync(folder.path)).toEqual(['b.db'])
  })

  it('cannot be written where there is no such folder', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    expect(await run('backup', '/nonexistent/b.db')).toMatchObject({ exit: 73, stderr: expect.stringMatching(/cannot write \/nonexistent\/b\.db: ENOENT/) })
  })

  const bytes = Buffer.from('SQLite format 3, and what follows')
  const digest = `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`
  it.each<[string, Readonly<Record<string, string>>, Buffer]>([
    ['was cut off', { 'Content-Length': String(bytes.byteLength), 'Repr-Digest': digest }, bytes.subarray(0, 10)],
    ['was cut off where nobody said how long it is', { 'Repr-Digest': digest }, bytes.subarray(0, 10)],
    ['was changed on its way', { 'Content-Length': String(bytes.byteLength), 'Repr-Digest': digest }, Buffer.from(bytes.toString().replace('3', '4'))],
    ['came without a digest', { 'Content-Length': String(bytes.byteLength) }, bytes],
  ])('that %s is not kept', async (_name, headers, sent) => {
    await using server = await StubServer.open((_request, response) => {
      response.writeHead(200, headers)
      response.write(sent, () => {
        if (sent.byteLength < bytes.byteLength) response.destroy()
        else response.end()
      })
    })
    using folder = new TempFolder()
    const ran = await dcm(['backup', folder.file('b.db')], { CONTROLLER_URL: server.url })
    expect(ran).toMatchObject({ exit: 69, stdout: '' })
    expect(ran.stderr).toMatch(/try again/)
    expect(readdirSync(folder.path)).toEqual([])
  })

  it('needs the key of an admin', async () => {
    const { controller, env } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    const { key } = await controller.makeKey({ name: 'ann', role: 'publisher' })
    expect((await dcm(['backup', folder.file('b.db')], { ...env, API_KEY: key })).exit).toBe(77)
    expect(existsSync(folder.file('b.db'))).toBe(false)
  })
})
