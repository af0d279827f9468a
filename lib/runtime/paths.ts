import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * A folder of the project, found upward from this file: the sources lie two folders below the root, the
 * bundles one.
 * @throws Error where the installation is incomplete
 */
function projectFolder(name: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, name)
    if (existsSync(candidate)) return candidate
    if (folder === dirname(folder)) throw new Error(`Cannot find the folder ${JSON.stringify(name)} of this installation; install it again`)
  }
}

/** The folder of the controller's migrations. */
export const migrationsFolder = (): string => projectFolder('migrations')
