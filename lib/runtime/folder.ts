import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder and those above it. Level by level: Node's own recursive mkdir never comes back where the parent
 * is there and says that it is not, as /proc does.
 * @throws the file system's error
 */
export function ensureFolder(path: string): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) ensureFolder(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another service made it in the same moment.
    if (!existsSync(path)) throw error
  }
}
