import picocolors from 'picocolors'
import { safe, safeJson, safeLines } from './safe.ts'
import { type Cell, tableOf } from './table.ts'

/** Where text goes. */
export interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean
  /** False where its reader has gone. */
  readonly isOpen?: boolean
  readonly columns?: number
}

/** What a command says: data to stdout, talk to stderr; for people, or as JSON. */
export class Output {
  readonly json: boolean
  readonly stdout: Stream
  readonly stderr: Stream
  /** For what goes to stdout. */
  readonly colours: ReturnType<typeof picocolors.createColors>
  /** For what goes to stderr. */
  readonly talkColours: ReturnType<typeof picocolors.createColors>

  /** @param options.noColor whatever the terminal can */
  constructor(options: { readonly stdout: Stream; readonly stderr: Stream; readonly json: boolean; readonly noColor: boolean }) {
    this.stdout = options.stdout
    this.stderr = options.stderr
    this.json = options.json
    const colourful = ({ isTTY }: Stream) => !options.noColor && !options.json && isTTY === true
    this.colours = picocolors.createColors(colourful(options.stdout))
    this.talkColours = picocolors.createColors(colourful(options.stderr))
  }

  /** Whether somebody looks at what is said. */
  get isWatched(): boolean {
    return !this.json && this.stderr.isTTY === true
  }

  /** The result: as JSON the data on one line, else what `text` makes of it. */
  result(data: unknown, text: () => string): void {
    this.stdout.write(`${this.json ? safeJson(data) : text()}\n`)
  }

  /** Something to know beside the result. Text from elsewhere in it is to be made safe before. */
  note(text: string): void {
    if (!this.json) this.stderr.write(`${text}\n`)
  }

  /** A table for {@link result}. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
    return tableOf(head, rows, this.colours.bold)
  }

  /** Words beside each other, for one thing. */
  pairs(pairs: readonly (readonly [string, Cell])[]): string {
    const width = Math.max(...pairs.map(([name]) => name.length))
    return pairs
      .map(([name, value]) => `${this.colours.bold(name.padEnd(width))}  ${value === null || value === undefined || value === '' ? '-' : safe(String(value))}`)
      .join('\n')
  }

  /** A difference, a colour a kind of line. */
  difference(text: string): string {
    const { green, red, yellow } = this.colours
    const paint = (line: string) => (line.startsWith('+') ? green(line) : line.startsWith('-') ? red(line) : line.startsWith('~') ? yellow(line) : line)
    return text === '' ? 'nothing differs' : safeLines(text).split('\n').map(paint).join('\n')
  }
}
