import { createLogger } from '#lib/observe/logger.ts'
import { StartError } from '#lib/runtime/env.ts'
import { runUntilSignal } from '#lib/runtime/lifecycle.ts'

// A service that behaves as its argument says, for the tests of the lifecycle.
const [, , behaviour] = process.argv
const logger = createLogger({ service: 'worker', level: 'info', format: 'json' })
const never = () => new Promise<void>(() => {})
const alive = setInterval(() => {}, 60_000)

await runUntilSignal(async () => {
  process.stdout.write('starting\n')
  if (behaviour === 'refuses') throw new StartError('Cannot start: PORT must be a number, not "x"')
  if (behaviour === 'fails') throw new TypeError('a fault of ours')
  if (behaviour === 'hangs-at-start') await never()
  logger.info('http', 'listening', { port: 1 })
  return {
    logger,
    shutdownTimeoutSeconds: 1,
    stop: async (signal) => {
      if (behaviour === 'hangs') await never()
      if (behaviour === 'fails-to-stop') throw new Error('a fault of ours')
      // Ends only when it is told that its time is over.
      if (behaviour === 'slow') await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      clearInterval(alive)
    },
  }
})
