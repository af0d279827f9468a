const WIDTH = 30
/** Between two looks, in ms. */
const EVERY_MS = 200
/** Between two lines where there is no terminal, in ms. */
const LINE_EVERY_MS = 5000

/** A bar, filled by share. */
export function barText(label: string, done: number, total: number): string {
  const filled = total === 0 ? WIDTH : Math.floor((Math.min(done, total) / total) * WIDTH)
  return `${label} ${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')}`
}

/**
 * Shows how far something is until it ends: a bar on a terminal, a line now and then elsewhere.
 * @param look how many of `total` are done
 */
export async function withProgress<T>(label: string, total: number, look: () => Promise<number>, work: Promise<T>): Promise<T> {
  const { isTTY } = process.stderr
  let shownAt = performance.now()
  const show = async () => {
    const line = barText(label, await look(), total)
    if (isTTY) process.stderr.write(`\r\x1b[2K${line}`)
    else if (performance.now() - shownAt >= LINE_EVERY_MS) {
      shownAt = performance.now()
      process.stderr.write(`${line}\n`)
    }
  }
  // A look that fails says nothing that the work itself will not say.
  const timer = setInterval(() => void show().catch(() => {}), EVERY_MS)
  try {
    return await work
  } finally {
    clearInterval(timer)
    if (isTTY) process.stderr.write('\r\x1b[2K')
  }
}
