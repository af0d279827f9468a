import { exits } from './exit.ts'
import { runCommand } from './run.ts'

// A second Ctrl-C ends the process at once, as the system does it.
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort(exits.interrupted))
process.once('SIGTERM', () => interrupted.abort(exits.terminated))

/** A stream whose reader may go, as head does: that is no error, and what was begun goes on to its end. */
function quiet(stream: NodeJS.WriteStream) {
  let open = true
  stream.on('error', (error: NodeJS.ErrnoException) => {
    open = false
    if (error.code === 'EPIPE') return
    process.exitCode = exits.io
    if (stream === process.stdout) process.stderr.write(`dcm: cannot write to stdout: ${error.message}\n`)
  })
  return {
    write: (text: string) => open && stream.write(text),
    get isOpen() {
      return open
    },
    isTTY: stream.isTTY === true,
    get columns() {
      return stream.columns
    },
  }
}

const { env } = process
try {
  const exitCode = await runCommand(process.argv.slice(2), { env, stdout: quiet(process.stdout), stderr: quiet(process.stderr), signal: interrupted.signal })
  // An output that could not be written is no success, whatever was done.
  process.exitCode ??= exitCode
} catch (error) {
  process.stderr.write(
    `dcm: something unforeseen happened; please report it with this: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  process.exitCode = exits.internal
}
