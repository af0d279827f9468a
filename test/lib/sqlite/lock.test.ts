import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { describe, expect, it } from 'vitest'
import { FileLockedError, lockFile } from '#lib/sqlite/lock.ts'
import { TestProcess } from '#test/_support/process.ts'
import { TempFolder } from '#test/_support/temp.ts'

const holder = (path: string) => new TestProcess('test/lib/sqlite/lock-holder.ts', { args: [path] })

/** The refusal that a second one meets. */
function refusal(path: string): FileLockedError {
  try {
    lockFile(path, 'controller').release()
  } catch (error) {
    if (error instanceof FileLockedError) return error
    throw error
  }
  throw new Error('the lock was given twice')
}

describe('lockFile', () => {
  it('can be had again after it was given back', () => {
    using folder = new TempFolder()
    for (let i = 0; i < 3; i++) lockFile(folder.file('x.db'), 'controller').release()
    expect(existsSync(folder.file('x.db'))).toBe(false)
  })

  it('is refused within one process too', () => {
    using folder = new TempFolder()
    const lock = lockFile(folder.file('x.db'), 'controller')
    expect(refusal(folder.file('x.db')).exitCode).toBe(75)
    lock.release()
  })

  it('names service, pid, host and time of the process that holds it, and outlives no kill -9', async () => {
    using folder = new TempFolder()
    const path = folder.file('x.db')
    await using other = holder(path)
    await other.line('the lock', (line) => line.msg === 'locked')
    expect(refusal(path).message).toMatch(new RegExp(`x\\.db".* held by the worker with process id ${other.pid} on host ${hostname()}, since 20\\d\\d-.*Z`))
    // Being refused takes nothing away from the holder.
    expect(refusal(path).exitCode).toBe(75)
    other.signal('SIGKILL')
    await other.ended
    lockFile(path, 'controller').release()
  })

  it('is the same by whatever way the file is reached', () => {
    using folder = new TempFolder()
    mkdirSync(folder.file('real'))
    writeFileSync(folder.file('real/x.db'), '')
    symlinkSync(folder.file('real'), folder.file('folder-link'))
    symlinkSync(folder.file('real/x.db'), folder.file('file-link.db'))
    const lock = lockFile(folder.file('real/x.db'), 'controller')
    for (const way of ['folder-link/x.db', 'file-link.db', 'real/../real/x.db']) refusal(folder.file(way))
    lock.release()
  })
})
