import Table from 'cli-table3'
import picocolors from 'picocolors'

/** Where text goes. */
export interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Characters that would move a terminal's cursor, change its colours or turn text around: what comes from elsewhere must not. */
const unsafe = /[\p{Cc}\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** Text from a service, as it may be shown. */
export const safe = (text: string): string => text.replace(unsafe, (character) => (character === '\t' ? ' ' : '\ufffd'))

/** What a command says: data to stdout, talk to stderr; for people, or as JSON. */
export class Output {
  readonly json: boolean
  readonly stdout: Stream
  readonly stderr: Stream
  readonly colours: ReturnType<typeof picocolors.createColors>

  /** @param options.noColor whatever the terminal can */
  constructor(options: { readonly stdout: Stream; readonly stderr: Stream; readonly json: boolean; readonly noColor: boolean }) {
    this.stdout = options.stdout
    this.stderr = options.stderr
    this.json = options.json
    this.colours = picocolors.createColors(!options.noColor && !options.json && options.stdout.isTTY === true)
  }

  /** Whether a person looks on. */
  get isInteractive(): boolean {
    return !this.json && this.stderr.isTTY === true
  }

  /** The result: as JSON the data, else what `text` makes of it. */
  result(data: unknown, text: () => string): void {
    this.stdout.write(`${this.json ? JSON.stringify(data) : text()}\n`)
  }

  /** Something to know beside the result. */
  note(text: string): void {
    if (!this.json) this.stderr.write(`${text}\n`)
  }

  /** A table; without lines, so that it can be cut with other tools. */
  table(head: readonly string[], rows: readonly (readonly (string | number | null | undefined)[])[]): string {
    const table = new Table({
      head: head.map((name) => this.colours.bold(name)),
      chars: {
        top: '',
        'top-mid': '',
        'top-left': '',
        'top-right': '',
        bottom: '',
        'bottom-mid': '',
        'bottom-left': '',
        'bottom-right': '',
        left: '',
        'left-mid': '',
        mid: '',
        'mid-mid': '',
        right: '',
        'right-mid': '',
        middle: '  ',
      },
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    })
    for (const row of rows) table.push(row.map((cell) => (cell === null || cell === undefined ? '-' : safe(String(cell)))))
    return table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n')
  }

  /** A difference, a colour a kind of line. */
  difference(text: string): string {
    const { green, red, yellow } = this.colours
    const paint = (line: string) => (line.startsWith('+') ? green(line) : line.startsWith('-') ? red(line) : line.startsWith('~') ? yellow(line) : line)
    return text === ''
      ? 'nothing differs'
      : text
          .split('\n')
          .map((line) => paint(safe(line)))
          .join('\n')
  }
}
