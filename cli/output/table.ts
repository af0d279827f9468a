import Table from 'cli-table3'
import { safe } from './safe.ts'

/** What a cell may hold. */
export type Cell = string | number | boolean | null | undefined

const noLines = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((part) => [part, '']),
)

/** A table without lines, so that it can be cut with other tools; what is not there is a dash. */
export function tableOf(head: readonly string[], rows: readonly (readonly Cell[])[], bold: (text: string) => string): string {
  const table = new Table({
    head: head.map(bold),
    chars: { ...noLines, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) table.push(row.map((cell) => (cell === null || cell === undefined || cell === '' ? '-' : safe(String(cell)))))
  const lines = table.toString().split('\n')
  return lines.map((line) => line.trimEnd()).join('\n')
}
