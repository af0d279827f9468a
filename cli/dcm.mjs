#!/usr/bin/env node
// The dcm command. From a clone it builds what is stale, in this very process; from a package it runs what is there.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `dcm: cannot run on Node.js ${process.versions.node}: it needs 22.19 or later; from a clone, npm run dcm uses the one that npm installed\n`,
  )
  process.exit(78)
}
const build = join(import.meta.dirname, '..', 'scripts', 'build.ts')
if (existsSync(build)) await import(build)
await import('../dist/dcm.js')
