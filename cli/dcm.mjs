#!/usr/bin/env node
// The dcm command. From a clone it builds what is stale first; from a package, which has no sources, it runs what is there.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `dcm: this is Node.js ${process.versions.node}, and 22.19 or later is needed; in a clone, npm run dcm -- … brings the right one, else install Node.js 24\n`,
  )
  process.exit(78)
}
const root = join(import.meta.dirname, '..')
const scripts = join(root, 'scripts')
try {
  if (existsSync(join(scripts, 'build.ts')) && (await import('../scripts/stale.mjs')).isStale(root)) await import('../scripts/build.ts')
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
  process.stderr.write(`dcm: cannot build it: ${error.message}; run npm ci in ${root}\n`)
  process.exit(78)
}
if (!existsSync(join(root, 'dist', 'dcm.js'))) {
  process.stderr.write('dcm: this installation has no dist/dcm.js: build it (npm run build) before it is packed, and install it again\n')
  process.exit(78)
}
await import('../dist/dcm.js')
