// Takes versions and agents of a Go system's database over: npm run import-go -- OLD.db NEW.db, or dcm import-go.
import { runCommand } from '#cli/run.ts'

const [from, to, ...rest] = process.argv.slice(2)
if (from === undefined || to === undefined || rest.length > 0) {
  console.error('Usage: npm run import-go -- OLD.db NEW.db    OLD.db is only read, NEW.db must not exist')
  process.exit(64)
}
const { env, stdout, stderr } = process
process.exitCode = await runCommand(['import-go', from, '--to', to], { env, stdout, stderr, signal: new AbortController().signal })
