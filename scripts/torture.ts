// npm run torture [-- path …]: the bad days of hits at full size, where all tests have them in small. It starts real
// workers, Redis servers and targets on loopback, takes about five minutes, and ends with the exit code of the tests.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What is made larger, as the tests read it; what they hold is in test/torture/size.ts and in the tests themselves. */
const sizes = { HIT_TORTURE: '1', HIT_TORTURE_KILLS: '200' }

/** Where the bad days of hits are: the worker as a process, both engines at their port, and the way out to targets. */
const badDays = ['test/e2e/hits', 'test/e2e/worker-killed.test.ts', 'test/conformance', 'test/lib/queue', 'test/services/worker']

const chosen = process.argv.slice(2)
const paths = chosen.length === 0 ? badDays : chosen
console.log(
  `Bad days of hits at full size (${Object.entries(sizes)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')}):`,
)
console.log(paths.map((path) => `  ${path}`).join('\n'))
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const { status, error } = spawnSync(process.execPath, [vitest, 'run', '--reporter=verbose', ...paths], {
  cwd: root,
  env: { ...process.env, ...sizes },
  stdio: 'inherit',
})
if (error) throw new Error('Cannot run the tests: vitest did not start. Run npm ci first', { cause: error })
process.exitCode = status ?? 1
