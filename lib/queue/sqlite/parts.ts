import type { HitResult } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { DelayedHits } from './delayed.ts'
import type { EndedRows } from './ended-rows.ts'
import type { HitRows } from './hit-rows.ts'
import type { KeyRows } from './key-rows.ts'
import type { Pause } from './pause.ts'
import type { Tally } from './tally.ts'
import type { Writer } from './writer.ts'

/** What the parts of the embedded engine share. */
export interface EngineParts {
  readonly hits: HitRows
  readonly endings: EndedRows
  readonly keys: KeyRows
  readonly tally: Tally
  readonly delayed: DelayedHits
  readonly pause: Pause
  readonly writer: Writer
  readonly clock: Clock
  readonly logger: Logger
  /** The time that hits are due by, ms since the epoch. */
  readonly time: () => number
  /** Aborted when the queue is closed. */
  readonly closed: AbortSignal
  /** Told of each result that was stored. */
  readonly ended: (result: HitResult) => void
}
