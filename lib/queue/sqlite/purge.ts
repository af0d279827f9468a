import type { EngineParts } from './parts.ts'

/** How often what has expired is looked for. It is hidden from its expiry on; this only gives the room back. */
const PURGE_EVERY_MS = 60_000

/** Rows a transaction at most, and for how long they are removed, in ms: what a large answer lay on is visited page by page. */
const PURGE_ROWS = 200
const PURGE_MS = 4

/** Removes some of what has expired, inside a transaction. @returns whether there is more */
function purge({ endings, keys, clock }: Pick<EngineParts, 'endings' | 'keys' | 'clock'>): boolean {
  const [now, start] = [clock.now(), clock.monotonic()]
  const rows = endings.expired(now, PURGE_ROWS)
  for (const [done, row] of rows.entries()) {
    if (done > 0 && clock.monotonic() - start > PURGE_MS) return true
    endings.remove(row)
  }
  const others = keys.purge(now, PURGE_ROWS) + endings.purgeBefore(now, PURGE_ROWS)
  return Math.max(rows.length, others) >= PURGE_ROWS
}

/** Removes ended hits with their results, and keys, once their hour is over, in small batches, until the queue is closed. */
export async function purgeExpired(parts: EngineParts): Promise<void> {
  const { writer, clock, closed } = parts
  while (!closed.aborted) {
    try {
      while (!closed.aborted && (await writer.commit(() => purge(parts)))) {
        // Between two batches the others have their turn.
        await clock.sleep(5, closed)
      }
    } catch {
      // The writer has logged the outage; the next round tries again.
    }
    await clock.sleep(PURGE_EVERY_MS, closed)
  }
}
