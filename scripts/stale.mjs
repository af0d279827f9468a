// Whether dist/ is older than what it is built from. Plain JavaScript, so that the dcm command can ask each time: to read
// TypeScript costs Node.js 60 ms before it does anything.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The newest change below a path, ms since the epoch. */
function newest(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

/** What is bundled, and what says how. */
const sources = ['lib', 'services', 'cli', 'package.json', 'tsconfig.json', 'scripts/build.ts']

/** @param {string} root of the project */
export function isStale(root) {
  const stamp = join(root, 'dist', '.built')
  return !existsSync(stamp) || Math.max(...sources.map((name) => newest(join(root, name)))) > statSync(stamp).mtimeMs
}
