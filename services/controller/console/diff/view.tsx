import type { Child } from 'hono/jsx'
import { visible } from '#lib/json/diff-text.ts'
import { count } from '../parts/numbers.ts'
import type { Compared } from './compare.ts'
import { depthOf, type JsonLines, textOf } from './json-lines.ts'
import type { Piece, Row } from './rows.ts'

/** How many characters of a line are shown. */
const MOST_CHARACTERS = 1000

/** Where two lines part, and where they come together again; undefined where they have little in common, and a mark would say nothing. */
function partOf(line: string, other: string): readonly [number, number] | undefined {
  const shorter = Math.min(line.length, other.length)
  let start = 0
  while (start < shorter && line[start] === other[start]) start++
  let end = 0
  while (end < shorter - start && line[line.length - 1 - end] === other[other.length - 1 - end]) end++
  return start + end > shorter / 2 && start + end < line.length && start < MOST_CHARACTERS ? [start, line.length - end] : undefined
}

/** A text, cut where it is long, with what could turn it around or hide in it as JSON escapes. */
function cut(text: string, most: number): { readonly shown: string; readonly rest: string } {
  const rest = text.length > most ? `… (${count(text.length)} characters)` : ''
  return { shown: visible(text.slice(0, most)), rest }
}

/** A line, with what differs in it marked. */
const Line = ({ lines, at, other }: { readonly lines: JsonLines; readonly at: number; readonly other: string | undefined }) => {
  const line = lines.lines[at] ?? ''
  const text = textOf(line)
  const space = '  '.repeat(Math.max(0, depthOf(line)))
  const comma = lines.commas[at] ? ',' : ''
  const part = other === undefined ? undefined : partOf(text, textOf(other))
  if (part === undefined) {
    const { shown, rest } = cut(text, MOST_CHARACTERS)
    return (
      <code>
        {space}
        {shown}
        {rest || comma}
      </code>
    )
  }
  const [start, end] = part
  const marked = cut(text.slice(start, end), MOST_CHARACTERS)
  return (
    <code>
      {space}
      {visible(text.slice(0, start))}
      <mark>
        {marked.shown}
        {marked.rest}
      </mark>
      {visible(text.slice(end, end + MOST_CHARACTERS))}
      {comma}
    </code>
  )
}

interface SideProps {
  readonly lines: JsonLines
  readonly at: number | undefined
  readonly kind: 'same' | 'removed' | 'added'
  /** The line beside it, where it stands in its place. */
  readonly other?: string | undefined
  /** Whether it only repeats what the left side has: said once is enough. */
  readonly isRepeated?: boolean
}

const signs = { same: ' ', removed: '−', added: '+' }

const Side = ({ lines, at, kind, other, isRepeated }: SideProps) => {
  if (at === undefined) return <div class="diff-side diff-none" />
  const content = <Line lines={lines} at={at} other={other} />
  return (
    <div class={`diff-side diff-${kind}`} {...(isRepeated ? { 'aria-hidden': 'true' as const } : {})}>
      {kind === 'same' ? null : <span class="visually-hidden">{kind}: </span>}
      <span class="diff-number" aria-hidden="true">
        {at + 1} {signs[kind]}
      </span>
      {kind === 'removed' ? <del>{content}</del> : kind === 'added' ? <ins>{content}</ins> : content}
    </div>
  )
}

const RowView = ({ row: { kind, left, right }, from, to }: { readonly row: Row; readonly from: JsonLines; readonly to: JsonLines }) => {
  const isSame = kind === 'same'
  const isPair = kind === 'changed' && left !== undefined && right !== undefined
  return (
    <div class={`diff-row diff-row-${kind}`}>
      <Side lines={from} at={left} kind={isSame ? 'same' : 'removed'} other={isPair ? to.lines[right] : undefined} />
      <Side lines={to} at={right} kind={isSame ? 'same' : 'added'} other={isPair ? from.lines[left] : undefined} isRepeated={isSame} />
    </div>
  )
}

const PieceView = ({ piece, from, to }: { readonly piece: Piece; readonly from: JsonLines; readonly to: JsonLines }) => {
  const rows = piece.rows.map((row) => <RowView row={row} from={from} to={to} />)
  if (piece.kind === 'rows') return <>{rows}</>
  const lines = `${count(piece.lines)} lines unchanged`
  if (rows.length === 0) return <p class="diff-fold">{lines}</p>
  return (
    <details class="diff-fold">
      <summary>{lines}</summary>
      {rows}
    </details>
  )
}

const lineCount = (n: number): string => `${count(n)} ${n === 1 ? 'line' : 'lines'}`

/**
 * Two configs side by side, and below each other where there is no room.
 * @param left what the one is, for the heading of its side
 * @param right what the other is
 */
export const DiffView = ({ diff, left, right }: { readonly diff: Compared; readonly left: Child; readonly right: Child }) => {
  const { pieces, removed, added, left_out, from, to, byPath } = diff
  if (removed + added === 0)
    return (
      <p class="empty" role="status">
        Nothing differs: both hold the same data and the same poll interval.
      </p>
    )
  return (
    <>
      <p class="diff-sum">
        <span class="diff-sign-removed">− {lineCount(removed)} removed</span> · <span class="diff-sign-added">+ {lineCount(added)} added</span>
      </p>
      <div class="diff">
        <div class="diff-row diff-head">
          <div class="diff-side">{left}</div>
          <div class="diff-side">{right}</div>
        </div>
        {pieces.map((piece) => (
          <PieceView piece={piece} from={from} to={to} />
        ))}
        {left_out === 0 ? null : <p class="diff-fold">{lineCount(left_out)} more that differ: the command below shows all of them.</p>}
      </div>
      {byPath === undefined ? null : (
        <details>
          <summary>The same by path</summary>
          <pre>
            <code>{byPath}</code>
          </pre>
        </details>
      )}
    </>
  )
}
