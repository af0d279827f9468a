import { exits } from './exit.ts'
import { runCommand } from './run.ts'

// A reader that has seen enough, as head, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? exits.ok : exits.internal))
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
const { env, stdout, stderr } = process
try {
  process.exitCode = await runCommand(process.argv.slice(2), { env, stdout, stderr, signal: interrupted.signal })
} catch (error) {
  stderr.write(`dcm: something unforeseen happened: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exitCode = exits.internal
}
