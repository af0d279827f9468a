import type { Stretch } from './line-diff.ts'

/** How many lines that did not change are shown around those that did. */
const CONTEXT = 3
/** How many of them can be unfolded between; of more only their number is told. */
const MOST_FOLDED = 200
/** How many rows a page shows at most. */
const MOST_ROWS = 1500

/** Lines beside each other, by their index; undefined where a side has none. */
export interface Row {
  readonly kind: 'same' | 'changed' | 'removed' | 'added'
  readonly left: number | undefined
  readonly right: number | undefined
}

/** What a page shows of a difference. */
export type Piece =
  | { readonly kind: 'rows'; readonly rows: readonly Row[] }
  /** Lines that did not change; without rows where they are too many to be shown. */
  | { readonly kind: 'fold'; readonly lines: number; readonly rows: readonly Row[] }

/** A difference, cut to what a page shows. */
export interface Shown {
  readonly pieces: readonly Piece[]
  readonly removed: number
  readonly added: number
  /** How many lines that differ are not shown. */
  readonly left_out: number
}

const linesIn = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, { rows }) => sum + rows.filter(({ left }) => left !== undefined).length + rows.filter(({ right }) => right !== undefined).length, 0)

const row = (kind: 'same', { left, right }: Stretch, i: number): Row => ({ kind, left: left + i, right: right + i })

const sameRows = (stretch: Stretch, from: number, to: number): readonly Row[] => Array.from({ length: to - from }, (_, i) => row('same', stretch, from + i))

/** What tells a line apart among those around it: its depth and its key; undefined where it has no key. */
function keyOf(line: string | undefined): string | undefined {
  const end = line?.[1] === '"' ? line.indexOf('": ') : -1
  return end === -1 ? undefined : line?.slice(0, end)
}

/** Lines that have no counterpart, beside each other as they come. */
function unpaired(lefts: readonly number[], rights: readonly number[]): readonly Row[] {
  return Array.from({ length: Math.max(lefts.length, rights.length) }, (_, i): Row => {
    const [left, right] = [lefts[i], rights[i]]
    return { kind: left === undefined ? 'added' : right === undefined ? 'removed' : 'changed', left, right }
  })
}

/** What changed, lines with the same key beside each other. */
function changedRows({ left, right, lefts, rights }: Stretch, from: readonly string[], to: readonly string[], most: number): readonly Row[] {
  const byKey = new Map<string, number>()
  for (let at = right + Math.min(rights, most) - 1; at >= right; at--) {
    const key = keyOf(to[at])
    if (key !== undefined) byKey.set(key, at)
  }
  const rows: Row[] = []
  let [waitingLeft, next]: [number[], number] = [[], right]
  const range = (end: number) => Array.from({ length: end - next }, (_, i) => next + i)
  for (let at = left; at < left + lefts && at - left < most; at++) {
    const twin = byKey.get(keyOf(from[at]) ?? '')
    if (twin === undefined || twin < next) {
      waitingLeft.push(at)
      continue
    }
    rows.push(...unpaired(waitingLeft, range(twin)), { kind: 'changed', left: at, right: twin })
    waitingLeft = []
    next = twin + 1
  }
  return [...rows, ...unpaired(waitingLeft, range(Math.max(next, right + Math.min(rights, most))))].slice(0, most)
}

/** What did not change: a few lines beside what did, the rest folded. */
function samePieces(stretch: Stretch, isFirst: boolean, isLast: boolean): readonly Piece[] {
  const lines = stretch.lefts
  const head = isFirst ? 0 : Math.min(CONTEXT, lines)
  const tail = isLast ? 0 : Math.min(CONTEXT, lines - head)
  const folded = lines - head - tail
  // To fold one line would take as much place as the line.
  if (folded <= 1) return [{ kind: 'rows', rows: sameRows(stretch, 0, lines) }]
  const rows = folded > MOST_FOLDED ? [] : sameRows(stretch, head, head + folded)
  return [
    { kind: 'rows', rows: sameRows(stretch, 0, head) },
    { kind: 'fold', lines: folded, rows },
    { kind: 'rows', rows: sameRows(stretch, lines - tail, lines) },
  ]
}

/** The pieces of a page that shows a difference between two texts. */
export function shownRows(stretches: readonly Stretch[], from: readonly string[], to: readonly string[]): Shown {
  const pieces: Piece[] = []
  let [removed, added, leftOut, room] = [0, 0, 0, MOST_ROWS]
  for (const [i, stretch] of stretches.entries()) {
    if (!stretch.same) {
      removed += stretch.lefts
      added += stretch.rights
    }
    const wanted: readonly Piece[] = stretch.same
      ? samePieces(stretch, i === 0, i === stretches.length - 1)
      : [{ kind: 'rows', rows: changedRows(stretch, from, to, room) }]
    const rows = wanted.reduce((sum, piece) => sum + piece.rows.length, 0)
    if (!stretch.same) leftOut += stretch.lefts + stretch.rights - linesIn(wanted)
    if (room > 0) pieces.push(...wanted.filter((piece) => piece.kind === 'fold' || piece.rows.length > 0))
    room = Math.max(0, room - rows)
  }
  return { pieces, removed, added, left_out: leftOut }
}
