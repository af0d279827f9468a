import type { DestinationStream } from 'pino'

/** As much as is kept until the turn ends, in characters: beyond it is written at once. */
const MAX_KEPT = 64 * 1024

/** Where lines go, with what was not written yet. */
export interface TurnLines extends DestinationStream {
  /** Writes it now. */
  readonly flush: () => void
}

/**
 * Keeps lines until the turn of the event loop ends, and writes them in one go: when many hits end in one turn, that is one
 * write to the kernel and not one for each. What is kept is written too when the process exits, also by an exception.
 */
export function linesOfTurn(destination: DestinationStream): TurnLines {
  let kept = ''
  let scheduled = false
  const flush = () => {
    if (kept === '') return
    const lines = kept
    kept = ''
    destination.write(lines)
  }
  process.once('exit', flush)
  return {
    write: (line) => {
      kept += line
      if (kept.length > MAX_KEPT) return flush()
      if (scheduled) return
      scheduled = true
      setImmediate(() => {
        scheduled = false
        flush()
      })
    },
    flush,
  }
}
