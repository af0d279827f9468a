import { mkdirSync, mkdtempSync, readFileSync, realpathSync, statfsSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem, type } from 'node:os'
import { join } from 'node:path'
import type { Results } from './figures.ts'
import { redisVersion } from './redis.ts'
import { root } from './service.ts'

/** TMPFS_MAGIC of Linux: a sync there costs nothing, so a figure from it would say nothing. */
const TMPFS = 0x01021994

/** Makes the folder of a run, on a disk: in the machine's folder for temporary files unless that is memory. */
export function makeRunFolder(): string {
  const inMemory = process.platform === 'linux' && statfsSync(tmpdir()).type === TMPFS
  const parent = inMemory ? join(root, 'node_modules', '.cache') : tmpdir()
  mkdirSync(parent, { recursive: true })
  return mkdtempSync(join(parent, 'dcm-bench-'))
}

/** The file system a path lies on, as `ext4 on /dev/vda`; empty where the system does not say. */
function fileSystemOf(path: string): string {
  try {
    const real = realpathSync(path)
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, at = '?']) => real === at || real.startsWith(at === '/' ? at : `${at}/`))
    const [device, , kind] = mounts.sort(([, a = ''], [, b = '']) => b.length - a.length)[0] ?? []
    return kind === undefined ? '' : ` (${kind} on ${device})`
  } catch {
    return ''
  }
}

/** What a record must say of the machine for its figures to mean anything. */
export const describeMachine = (folder: string): Results['machine'] => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memory_gib: Math.round(totalmem() / 2 ** 30),
  os: `${type()} ${release()}`,
  node: process.versions.node,
  redis: redisVersion() ?? null,
  files: `${join(folder, '..')}${fileSystemOf(folder)}`,
})
