import { silentLogger } from '#lib/observe/logger.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'

// Opens the queue that its argument names, and prints how that went.
try {
  const queue = openSqliteHitQueue({ path: process.argv[2] ?? '', logger: silentLogger, clock: systemClock })
  await queue[Symbol.asyncDispose]()
  process.stdout.write('opened\n')
} catch (error) {
  if (!(error instanceof Error)) throw error
  process.stdout.write(`${error.constructor.name}: ${error.message}\n`)
}
