import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import Database from 'better-sqlite3'
import { describe, expect, it, vi } from 'vitest'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { Backups } from '#services/controller/backup.ts'
import { errorOf, requestInit, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { controllerProcess } from '#test/_support/process.ts'
import { requestBytes } from '#test/_support/raw-http.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 10_000, interval: 5 }
const leftovers = (folder: TempFolder) => readdirSync(folder.path).filter((name) => name.includes('backup'))
const open = new AbortController().signal

/** Saves an answer's file and opens it. */
async function opened(answer: Response, folder: TempFolder): Promise<Database.Database> {
  expect(answer.status).toBe(200)
  writeFileSync(folder.file('copy.db'), new Uint8Array(await answer.arrayBuffer()))
  return new Database(folder.file('copy.db'), { readonly: true })
}

/** Resolves where a backup can be had; what was made is thrown away. */
const canBeHad = async (controller: TestController) =>
  vi.waitFor(async () => {
    const answer = await controller.request('/backup')
    await answer.body?.cancel()
    expect(answer.status).toBe(200)
  }, soon)

describe('GET /backup', () => {
  it('is one whole file with all that was acknowledged before, while publishes go on', async () => {
    await using controller = await TestController.open()
    using folder = new TempFolder()
    for (let n = 1; n <= 200; n++) await controller.publish({ n, filling: 'x'.repeat(50_000) })
    let over = false
    let meanwhile = 0
    const publishing = (async () => {
      for (; !over; meanwhile++) await controller.publish({})
    })()
    const answer = await controller.request('/backup')
    over = true
    await publishing
    const db = await opened(answer, folder)
    expect(meanwhile).toBeGreaterThan(5)
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    // In one file: nothing beside it is needed, and none is made by reading it.
    expect(db.pragma('journal_mode', { simple: true })).toBe('delete')
    const versions = db.prepare<[], number>('SELECT version FROM config_versions ORDER BY version').pluck().all()
    expect(versions).toEqual(Array.from({ length: versions.length }, (_, i) => i + 1))
    expect(versions.length).toBeGreaterThanOrEqual(200)
    expect(db.prepare('SELECT count(*) FROM audit_entries').pluck().get()).toBe(versions.length)
    db.close()
    expect(readdirSync(folder.path)).toEqual(['copy.db'])
    expect(leftovers(controller.folder)).toEqual([])
  })

  it('is what a controller starts with', async () => {
    using folder = new TempFolder()
    await using controller = await TestController.open()
    const published = await controller.publish({ n: 1 })
    ;(await opened(await controller.request('/backup'), folder)).close()
    await using store = openSqliteStore({ path: folder.file('copy.db'), migrations: migrationsFolder(), clock: { now: () => 0 } })
    expect(await store.latest()).toEqual(published)
    expect((await store.audit({ limit: 10 })).head).toEqual((await controller.deps.store.audit({ limit: 1 })).head)
  })

  it('is for nobody else to read while it is made, and has no name when it is sent', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const made = vi.spyOn(controller.deps.store, 'backup')
    made.mockImplementation(async (path, signal) => {
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(leftovers(controller.folder)).toHaveLength(1)
      made.mockRestore()
      await controller.deps.store.backup(path, signal)
      expect(statSync(path).mode & 0o777).toBe(0o600)
    })
    const answer = await controller.request('/backup')
    expect([answer.status, leftovers(controller.folder)]).toEqual([200, []])
    expect((await answer.arrayBuffer()).byteLength).toBe(Number(answer.headers.get('Content-Length')))
  })

  it('is one at a time, while it is made and while it is sent', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const gate = Promise.withResolvers<void>()
    const { backup } = controller.deps.store
    vi.spyOn(controller.deps.store, 'backup').mockImplementationOnce(async (path, signal) => {
      await gate.promise
      await backup(path, signal)
    })
    const making = controller.request('/backup')
    await vi.waitFor(() => expect(leftovers(controller.folder)).toHaveLength(1), soon)
    expect((await errorOf(await controller.request('/backup'), 503, 'OVERLOADED')).message).toContain('another is being made')
    gate.resolve()
    const first = await making
    await errorOf(await controller.request('/backup'), 503, 'OVERLOADED')
    await first.body?.cancel()
    await canBeHad(controller)
  })

  it('is refused to HEAD, which would make one for nobody', async () => {
    await using controller = await TestController.open()
    const { fetch } = await controller.listen()
    const answer = await fetch('/backup', { method: 'HEAD' })
    expect([answer.status, answer.headers.get('Allow')]).toEqual([405, 'GET'])
    await canBeHad(controller)
  })

  it('can be had by the next when its reader goes away, before it is made or while it is sent', async () => {
    await using controller = await TestController.open()
    const { port } = await controller.listen()
    for (let n = 0; n < 20; n++) await controller.publish({ filling: 'x'.repeat(1_000_000) })
    const ask = async () => {
      const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
      await once(socket, 'connect')
      socket.write(requestBytes('GET', '/backup', { headers: { 'X-API-Key': TEST_KEY } }))
      return socket
    }
    const early = await ask()
    await vi.waitFor(() => expect(leftovers(controller.folder)).not.toEqual([]), soon)
    early.destroy()
    await vi.waitFor(() => expect(leftovers(controller.folder)).toEqual([]), soon)
    await canBeHad(controller)
    const late = await ask()
    await once(late, 'data')
    late.destroy()
    await canBeHad(controller)
  })

  it('is cut off where its reader takes nothing for long', async () => {
    using folder = new TempFolder()
    writeFileSync(folder.file('big'), new Uint8Array(40_000_000))
    const copies = { backup: async (path: string) => writeFileSync(path, new Uint8Array(40_000_000)) }
    const backups = new Backups(copies, folder.file('controller.db'), { stall_ms: 50 })
    await using controller = await TestController.open({ overrides: { backups } })
    const { port } = await controller.listen()
    const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
    socket.write(requestBytes('GET', '/backup', { headers: { 'X-API-Key': TEST_KEY } }))
    socket.pause()
    // Its place is free again, and so is that of one that nobody ever reads.
    for (let n = 0; n < 2; n++) await vi.waitFor(() => backups.make(open), soon)
    await vi.waitFor(async () => (await backups.make(open)).content.cancel(), soon)
    socket.destroy()
  })

  it('is a 503 that says why where it cannot be written, and the next one can', async () => {
    using folder = new TempFolder()
    await using controller = controllerProcess({ DATA_DIR: folder.path, API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })
    const port = await controller.listening()
    const call = (path: string, body?: object) => fetch(`http://127.0.0.1:${port}${path}`, requestInit(body ? { body } : {}))
    await (await call('/config', { data: { filling: 'x'.repeat(200_000) } })).text()
    // A limit on the size of files is a full disk that needs no root. Node ignores SIGXFSZ: the write fails.
    const limitFiles = (bytes: string) => execFileSync('prlimit', ['--pid', String(controller.pid), `--fsize=${bytes}:`])
    limitFiles('100000')
    const answer = await call('/backup')
    expect(answer.headers.get('Retry-After')).toMatch(/^\d+$/)
    expect((await errorOf(answer, 503, 'STORE_UNAVAILABLE')).message).toMatch(/^Cannot make a backup: the copy cannot be made: .*; nothing was changed$/)
    expect(leftovers(folder)).toEqual([])
    limitFiles('unlimited')
    ;(await opened(await call('/backup'), folder)).close()
  })

  it('is a 503 that says why where its folder cannot be written', async () => {
    using folder = new TempFolder()
    const backups = new Backups({ backup: async () => {} }, folder.file('no-such-folder/controller.db'))
    await expect(backups.make(open)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringMatching(/beside the database: ENOENT; nothing was changed$/),
    })
    await expect(backups.make(open)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('leaves nothing of a killed one behind the next start, and touches nothing else there', async () => {
    using folder = new TempFolder()
    await using first = controllerProcess({ DATA_DIR: folder.path, API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })
    const port = await first.listening()
    const call = (path: string, body?: object) => fetch(`http://127.0.0.1:${port}${path}`, requestInit(body ? { body } : {}))
    for (let n = 0; n < 40; n++) await (await call('/config', { data: { filling: 'x'.repeat(1_000_000) } })).text()
    const asked = call('/backup').catch(() => {})
    await vi.waitFor(() => expect(leftovers(folder)).not.toEqual([]), { ...soon, interval: 1 })
    first.signal('SIGKILL')
    await Promise.all([first.ended, asked])
    expect(leftovers(folder)).not.toEqual([])
    const mine = ['controller.db.backup-2026-11-26', 'controller.db.1.sending-backup.mine', 'controller.db.mine.sending-backup', 'other.db.1.sending-backup']
    for (const name of mine) writeFileSync(folder.file(name), 'precious')
    await using second = controllerProcess({ DATA_DIR: folder.path, API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })
    await second.listening()
    expect(leftovers(folder).sort()).toEqual(mine.toSorted())
  })
})
