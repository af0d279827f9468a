import { readdirSync, statSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { errorOf, TestController } from '#test/_support/controller.ts'
import { TempFolder } from '#test/_support/temp.ts'

const leftovers = (controller: TestController) => readdirSync(controller.folder.path).filter((name) => name.includes('.sending-backup'))

/** Saves an answer's file and opens it. */
async function opened(answer: Response, folder: TempFolder): Promise<Database.Database> {
  expect(answer.status).toBe(200)
  writeFileSync(folder.file('copy.db'), new Uint8Array(await answer.arrayBuffer()))
  return new Database(folder.file('copy.db'), { readonly: true })
}

describe('GET /backup', () => {
  it('is one whole file with all that was acknowledged before, while publishes go on', async () => {
    await using controller = await TestController.open()
    using folder = new TempFolder()
    for (let n = 1; n <= 200; n++) await controller.publish({ n, filling: 'x'.repeat(5000) })
    let over = false
    const publishing = (async () => {
      while (!over) await controller.publish({})
    })()
    const db = await opened(await controller.request('/backup'), folder)
    over = true
    await publishing
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    const versions = db.prepare<[], number>('SELECT version FROM config_versions ORDER BY version').pluck().all()
    expect(versions).toEqual(Array.from({ length: versions.length }, (_, i) => i + 1))
    expect(versions.length).toBeGreaterThanOrEqual(200)
    expect(db.prepare('SELECT count(*) FROM audit_entries').pluck().get()).toBe(versions.length)
    db.close()
    expect(leftovers(controller)).toEqual([])
  })

  it('is for nobody else to read while it is made, one at a time, and gone when its reader goes away', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const first = await controller.request('/backup')
    const [name = ''] = leftovers(controller)
    expect(statSync(controller.folder.file(name)).mode & 0o777).toBe(0o600)
    await errorOf(await controller.request('/backup'), 503, 'OVERLOADED')
    await first.body?.cancel()
    expect(leftovers(controller)).toEqual([])
    await (await controller.request('/backup')).body?.cancel()
  })

  it('leaves nothing of a killed one behind the next start', async () => {
    await using controller = await TestController.open()
    writeFileSync(controller.folder.file('controller.db.1.sending-backup'), 'half')
    const { Backups } = await import('#services/controller/backup.ts')
    new Backups(controller.deps.store, controller.folder.file('controller.db'))
    expect(leftovers(controller)).toEqual([])
  })
})
