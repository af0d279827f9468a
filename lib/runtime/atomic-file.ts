import { createHash, randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { StartError } from './env.ts'
import { ensureFolder } from './folder.ts'

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** What a read found: a value, nothing, or a file that is damaged and was set aside under another name. */
export type StoredValue =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'none' }
  | { readonly kind: 'corrupt'; readonly movedTo: string; readonly why: string }

/**
 * Writes a JSON value so that a reader, at whatever moment the power fails, sees the old file or the new one
 * and never half of one: a temporary file in the same folder, synced, renamed over, the folder synced. The
 * first line is the checksum of the rest, so that damage by other means is noticed.
 * @throws the file system's error (ENOSPC, EACCES …); the old file is then as it was
 */
export function writeAtomically(path: string, value: unknown): void {
  const text = JSON.stringify(value)
  ensureFolder(dirname(path))
  const temporary = `${path}.${process.pid}.${randomUUID().slice(0, 8)}.tmp`
  try {
    const file = openSync(temporary, 'wx', 0o600)
    try {
      // writeSync may write less than it is given where the disk fills up: the loop ends in its ENOSPC.
      const bytes = Buffer.from(`${digest(text)}\n${text}\n`)
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncFolder(dirname(path))
}

/** Makes a rename last; where a folder cannot be opened for that (Windows), the rename is all there is. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(path, 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  } catch {
    // The file itself is synced and in place.
  }
}

/** Removes what a process that was killed in the middle of a write left beside the file. */
function sweepLeftovers(path: string): void {
  const folder = dirname(path)
  for (const name of readdirSync(folder)) {
    if (name.startsWith(`${basename(path)}.`) && name.endsWith('.tmp')) rmSync(join(folder, name), { force: true })
  }
}

/**
 * Reads what {@link writeAtomically} wrote. A damaged file is moved aside, so that the next write does not
 * destroy what may still be looked at.
 * @throws StartError where the file is there and cannot be read
 */
export function readStored(path: string): StoredValue {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'none' }
    throw new StartError(
      `Cannot start: cannot read ${JSON.stringify(path)} (${error instanceof Error ? error.message : String(error)}); look at DATA_DIR and its permissions`,
    )
  }
  sweepLeftovers(path)
  const end = text.indexOf('\n')
  const body = text.slice(end + 1).replace(/\n$/, '')
  if (end === -1 || digest(body) !== text.slice(0, end)) return setAside(path, 'its checksum does not match its content')
  try {
    return { kind: 'value', value: JSON.parse(body) }
  } catch {
    return setAside(path, 'it holds no JSON')
  }
}

/** Moves a file that cannot be used out of the way, and says where it is now. */
export function setAside(path: string, why: string): StoredValue & { kind: 'corrupt' } {
  const movedTo = `${path}.corrupt-${new Date().toISOString().replace(/[:.]/g, '-')}`
  renameSync(path, movedTo)
  return { kind: 'corrupt', movedTo, why }
}
