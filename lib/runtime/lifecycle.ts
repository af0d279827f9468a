import type { Logger } from '../observe/logger.ts'
import { EXIT_CONFIG, StartError } from './env.ts'
import { nodeProblem } from './node-version.ts'

/** A started service. */
export interface RunningService {
  readonly logger: Logger
  readonly shutdownTimeoutSeconds: number
  /** Takes no more work, ends what runs, and closes everything; cuts short what still runs when the signal aborts. */
  stop(signal: AbortSignal): Promise<void>
}

/** Exit code of a process ended by a signal, as shells count. */
const signalExit = { SIGINT: 130, SIGTERM: 143 } as const

/** Prints why a start failed: one line for what an operator can mend, the stack for what only we can. */
function reportFailure(error: unknown): number {
  if (error instanceof StartError) {
    process.stderr.write(`[init] ${error.message}\n`)
    return error.exitCode
  }
  if (error instanceof Error && 'syscall' in error && 'code' in error) {
    // The file system or the network said no: the operator's to mend, and a stack tells him nothing.
    process.stderr.write(`[init] Cannot start: ${error.message}; look at DATA_DIR, its permissions and the disk\n`)
    return EXIT_CONFIG
  }
  process.stderr.write(`[init] Cannot start: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return 70
}

/**
 * Runs a service until SIGTERM or SIGINT: the first drains it and exits 0 within its shutdown timeout, a
 * second exits at once. The one place that ends the process.
 * @param start starts the service; it is imported only after the Node.js version was checked
 */
export async function runUntilSignal(start: () => Promise<RunningService>): Promise<void> {
  const problem = nodeProblem(process.versions.node)
  if (problem) {
    process.stderr.write(`[init] ${problem}\n`)
    process.exit(EXIT_CONFIG)
  }
  let stopping = false
  let service: RunningService | undefined
  const onSignal = (name: 'SIGINT' | 'SIGTERM') => {
    if (stopping || service === undefined) process.exit(signalExit[name])
    stopping = true
    void drain(service, name)
  }
  process.on('SIGTERM', () => onSignal('SIGTERM'))
  process.on('SIGINT', () => onSignal('SIGINT'))
  try {
    service = await start()
  } catch (error) {
    process.exit(reportFailure(error))
  }
}

/** Stops a service within its time, then ends the process. */
async function drain(service: RunningService, name: string): Promise<void> {
  const { logger, shutdownTimeoutSeconds } = service
  logger.info('shutdown', `${name} received, draining for at most ${shutdownTimeoutSeconds} s; a second signal exits at once`)
  // Half a second for what must happen after the deadline: giving hits back, closing files.
  const deadline = AbortSignal.timeout(Math.max(shutdownTimeoutSeconds * 1000 - 500, 500))
  const overrun = setTimeout(() => {
    logger.warn('shutdown', `not everything ended within ${shutdownTimeoutSeconds} s, exiting`)
    process.exit(0)
  }, shutdownTimeoutSeconds * 1000)
  try {
    await service.stop(deadline)
    clearTimeout(overrun)
    logger.info('shutdown', 'done')
    process.exit(0)
  } catch (error) {
    logger.error('shutdown', 'failed to stop cleanly', { err: error })
    process.exit(70)
  }
}
