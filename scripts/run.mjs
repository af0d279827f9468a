// What npm start and npm run controller, agent and worker run: builds what is stale, then runs the bundle in this
// very process. (npm runs no pre-scripts where ignore-scripts is set, as it is here.)
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const [name] = process.argv.slice(2)
execFileSync(process.execPath, [join(import.meta.dirname, 'build.ts')], { stdio: 'inherit' })

if (process.env.npm_lifecycle_event !== undefined) {
  // A SIGTERM to npm ends npm's shell and not what runs in it: whoever lost his parent that way drains too. Where
  // the signal reached this process itself (Ctrl-C, a supervisor that signals the whole group) it is not given again:
  // a second one would end the drain.
  const parent = process.ppid
  let alone = 0
  const watch = setInterval(() => {
    if (process.ppid === parent || ++alone < 2) return
    clearInterval(watch)
    process.kill(process.pid, 'SIGTERM')
  }, 200)
  watch.unref()
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => clearInterval(watch))
}
await import(`../dist/${name}.js`)
