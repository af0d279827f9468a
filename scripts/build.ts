// Bundles each entry into dist/, where something changed since the last time. Production runs the bundles:
// importing drizzle-orm as separate ES modules costs 239 MiB resident and half a second, bundled 46 MiB and 40 ms.
import { existsSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isStale } from './stale.mjs'

const root = join(import.meta.dirname, '..')

if (process.argv.includes('--force') || isStale(root)) {
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
    external: ['better-sqlite3', 'esbuild', 'pino-pretty', 'swagger-ui-dist'],
    // Stack traces keep their names by the source maps; whitespace and syntax cost memory for each service.
    minify: true,
    keepNames: true,
    banner: { js: "import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url);" },
    logLevel: 'warning',
  })
  const { buildAssets } = await import('../services/controller/console/assets/build.ts')
  mkdirSync(join(fresh, 'console'))
  for (const [name, content] of await buildAssets(join(root, 'services/controller/console/browser'))) writeFileSync(join(fresh, 'console', name), content)
  writeFileSync(join(fresh, '.built'), `${startedAt.toISOString()}\n`)
  // As old as the build's beginning: what is edited while it runs is newer.
  utimesSync(join(fresh, '.built'), startedAt, startedAt)
  try {
    if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old)
    renameSync(fresh, join(root, 'dist'))
  } catch (error) {
    // Another build took its place in the same moment, from the same sources.
    if (isStale(root)) throw error
  } finally {
    for (const left of [old, fresh]) rmSync(left, { recursive: true, force: true })
  }
}
