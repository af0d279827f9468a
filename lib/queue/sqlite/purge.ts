import type { EngineParts } from './parts.ts'

/** How often what has expired is looked for. It is hidden from its expiry on; this only gives the room back. */
const PURGE_EVERY_MS = 60_000

/** Rows a transaction: results may be large, and a purge must not hold the event loop. */
const PURGE_ROWS = 200

/** Removes expired results and keys, in small batches, until the queue is closed. */
export async function purgeExpired({ rows, writer, clock, closed }: EngineParts): Promise<void> {
  while (!closed.aborted) {
    try {
      while (!closed.aborted && (await writer.write(() => rows.purge(clock.now(), PURGE_ROWS))) >= PURGE_ROWS) {
        // Between two batches the others have their turn.
        await clock.sleep(5, closed)
      }
    } catch {
      // The writer has logged the outage; the next round tries again.
    }
    await clock.sleep(PURGE_EVERY_MS, closed)
  }
}
