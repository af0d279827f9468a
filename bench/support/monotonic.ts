/** Readings of both clocks from which the closest pair is taken: a process may be put aside between two of them. */
const READINGS = 100

const hrtimeMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** By how much the clocks differ, in ms: of many readings the one that took least time. */
function offset(): number {
  let best = { width: Infinity, offset: 0 }
  for (let reading = 0; reading < READINGS; reading += 1) {
    const before = performance.now()
    const machine = hrtimeMs()
    const after = performance.now()
    if (after - before < best.width) best = { width: after - before, offset: machine - (before + after) / 2 }
  }
  return best.offset
}

/**
 * The machine's monotonic clock in ms. `process.hrtime` reads CLOCK_MONOTONIC, which counts from the start of the machine
 * and is therefore the same in all of its processes: a time taken here and one taken in a child may be subtracted.
 * `performance.now()` reads the same clock less a constant of this process, and costs less to call; that constant is
 * taken once, to within a few microseconds. (`performance.timeOrigin` is a wall clock's, and moves when somebody sets it.)
 */
const origin = offset()

/** Now, in ms since the machine started; comparable between processes of one machine. */
export const monotonicMs = (): number => origin + performance.now()
