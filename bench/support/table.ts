import { type Figure, keepsBound } from './figures.ts'

const columns = ['figure', 'ours', 'baseline', 'ratio', 'bound', 'kept'] as const

/** Three digits that mean something. */
function digits(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US')
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

const quantity = (value: number, unit: Figure['unit']): string => (unit === '/s' ? `${digits(value)}/s` : `${digits(value)} ${unit}`)

function boundText({ bound, unit }: Figure): string {
  if (bound === undefined) return ''
  return `${bound.kind === 'at least' ? '≥' : '≤'} ${bound.of === 'ratio' ? digits(bound.value) : quantity(bound.value, unit)}`
}

const cells = (figure: Figure): readonly string[] => {
  const kept = keepsBound(figure)
  return [
    figure.name,
    quantity(figure.ours, figure.unit),
    `${quantity(figure.baseline, figure.unit)} ${figure.against}`,
    digits(figure.ratio),
    boundText(figure),
    kept === undefined ? '' : kept ? 'yes' : 'NO',
  ]
}

/** The table as text for a terminal. */
export function textTable(figures: readonly Figure[]): string {
  const rows = [columns, ...figures.map(cells)]
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(columns), line(widths.map((width) => '─'.repeat(width))), ...figures.map((figure) => line(cells(figure)))].join('\n')
}

/** The table in Markdown. */
export function markdownTable(figures: readonly Figure[]): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`
  return [line(columns), line(['---', '---:', '---:', '---:', '---:', '---']), ...figures.map((figure) => line(cells(figure)))].join('\n')
}
