import { diffArrays } from 'diff'

/** How many unchanged lines stand around a change. */
const CONTEXT = 3
/** How many rows are shown at most. */
const MAX_ROWS = 2000
/** How many lines may differ, and for how long they are looked for, in ms: the cost grows with their square. */
const LIMITS = { maxEditLength: 1500, timeout: 60 }

/** A row of two texts side by side; the lines are counted from 1. */
export type DiffRow =
  | { readonly kind: 'same' | 'changed' | 'added' | 'removed'; readonly left?: Line; readonly right?: Line }
  | { readonly kind: 'gap'; readonly lines: number }

/** A line of a text. */
export interface Line {
  readonly number: number
  readonly text: string
}

/** Two texts side by side. */
export interface Rows {
  readonly rows: readonly DiffRow[]
  /** Rows that are not shown. */
  readonly more: number
}

/** Pairs what was taken away with what came in its place, line by line. */
function pair(removed: readonly Line[], added: readonly Line[]): DiffRow[] {
  return Array.from({ length: Math.max(removed.length, added.length) }, (_, at) => {
    const [left, right] = [removed[at], added[at]]
    if (left && right) return { kind: 'changed', left, right }
    return left ? { kind: 'removed', left } : { kind: 'added', ...(right ? { right } : {}) }
  })
}

/** Leaves out long stretches that are the same. */
function collapse(rows: readonly DiffRow[]): DiffRow[] {
  const near = new Set<number>()
  for (const [at, { kind }] of rows.entries()) if (kind !== 'same') for (let by = -CONTEXT; by <= CONTEXT; by++) near.add(at + by)
  const shown: DiffRow[] = []
  let lines = 0
  const close = () => {
    if (lines > 0) shown.push({ kind: 'gap', lines })
    lines = 0
  }
  for (const [at, row] of rows.entries()) {
    if (!near.has(at)) {
      lines++
      continue
    }
    close()
    shown.push(row)
  }
  close()
  return shown
}

/**
 * Two texts side by side, line by line.
 * @returns undefined where so much differs that looking for what stayed would take too long
 */
export function diffRows(from: string, to: string): Rows | undefined {
  const [before, after] = [from.split('\n'), to.split('\n')]
  const parts = diffArrays(before, after, LIMITS)
  if (parts === undefined) return undefined
  const rows: DiffRow[] = []
  let [left, right] = [0, 0]
  let removed: Line[] = []
  let added: Line[] = []
  const flush = () => {
    rows.push(...pair(removed, added))
    removed = []
    added = []
  }
  for (const part of parts) {
    for (const text of part.value) {
      if (part.removed) removed.push({ number: ++left, text })
      else if (part.added) added.push({ number: ++right, text })
      else {
        flush()
        rows.push({ kind: 'same', left: { number: ++left, text }, right: { number: ++right, text } })
      }
    }
  }
  flush()
  const shown = collapse(rows)
  return { rows: shown.slice(0, MAX_ROWS), more: Math.max(0, shown.length - MAX_ROWS) }
}
