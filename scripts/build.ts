// Bundles each entry into dist/, where something changed since the last time. Production runs the bundles:
// importing drizzle-orm as separate ES modules costs 239 MiB resident and half a second, bundled 46 MiB and 40 ms.
import { existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const stamp = join(root, 'dist', '.built')

/** The newest change below a path, ms since the epoch. */
function newest(path: string): number {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

const sources = ['lib', 'services', 'cli', 'package.json', 'tsconfig.json', 'scripts/build.ts'].map((name) => join(root, name))
const force = process.argv.includes('--force')
const stale = force || !existsSync(stamp) || Math.max(...sources.map(newest)) > statSync(stamp).mtimeMs

if (stale) {
  const startedAt = new Date()
  const { build } = await import('esbuild')
  // Beside the old one, then in its place: another service that starts at this moment finds one or the other whole.
  const fresh = join(root, `dist.${process.pid}`)
  const old = join(root, `dist.${process.pid}.old`)
  await build({
    absWorkingDir: root,
    entryPoints: ['controller', 'agent', 'worker']
      .map((name) => ({ in: `services/${name}/main.ts`, out: name }))
      .concat({ in: 'services/all.ts', out: 'all' }, { in: 'lib/schema/thread.ts', out: 'schema-thread' }, { in: 'cli/main.ts', out: 'dcm' }),
    outdir: fresh,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    sourcemap: true,
    // Native, loaded only where it is needed, or read from disk.
    external: ['better-sqlite3', 'pino-pretty', 'swagger-ui-dist'],
    // Stack traces keep their names by the source maps; whitespace and syntax cost memory for each service.
    minify: true,
    keepNames: true,
    banner: { js: "import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url);" },
    logLevel: 'warning',
  })
  writeFileSync(join(fresh, '.built'), `${startedAt.toISOString()}\n`)
  // As old as the build's beginning: what is edited while it runs is newer.
  utimesSync(join(fresh, '.built'), startedAt, startedAt)
  if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old)
  renameSync(fresh, join(root, 'dist'))
  rmSync(old, { recursive: true, force: true })
}
