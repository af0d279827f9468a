import type { Stream } from './output.ts'

const WIDTH = 30
/** Back to the begin of the line, and nothing on it. */
const CLEAR = '\r\u001b[K'

/** A bar that is drawn over itself on one line of a terminal. (The bar of @clack/prompts ends the process with 0 at Ctrl-C.) */
export class Bar {
  readonly #stream: Stream
  #drawn = ''

  constructor(stream: Stream) {
    this.#stream = stream
  }

  /** @param share 0 to 1 */
  draw(share: number, text: string): void {
    const full = Math.round(Math.min(Math.max(share, 0), 1) * WIDTH)
    // A line that wraps could not be drawn over.
    const line = `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${text}`.slice(0, Math.max((this.#stream.columns || 80) - 1, 20))
    if (line === this.#drawn) return
    this.#drawn = line
    this.#stream.write(`${CLEAR}${line}`)
  }

  /** Leaves what was drawn, and goes to the next line. */
  end(): void {
    if (this.#drawn !== '') this.#stream.write('\n')
    this.#drawn = ''
  }
}
