import { type Comparable, differenceBetween } from '#lib/json/diff-text.ts'
import type { Slices } from '../../fleet/slices.ts'
import { type JsonLines, jsonLines } from './json-lines.ts'
import { lineDiff } from './line-diff.ts'
import { type Shown, shownRows } from './rows.ts'

/** Of how many lines of both sides the paths are looked for: it is done in one go. */
const MOST_BY_PATH = 200_000

/** Two configs beside each other. */
export interface Compared extends Shown {
  readonly from: JsonLines
  readonly to: JsonLines
  /** What differs by the paths, a line each, as `dcm diff` shows it; undefined where they are too large. */
  readonly byPath: string | undefined
}

const nothing: JsonLines = { lines: [], commas: [] }

const linesOf = ({ data, poll_interval_seconds }: Comparable, slices: Slices): Promise<JsonLines> =>
  jsonLines({ data, poll_interval_seconds }, slices, { sorted: true })

/**
 * Compares two configs, line by line and by their paths.
 * @param from undefined: there is none, and everything is added
 */
export async function compared(from: Comparable | undefined, to: Comparable, slices: Slices): Promise<Compared> {
  const [one, other] = [from ? await linesOf(from, slices) : nothing, await linesOf(to, slices)]
  await slices.next()
  const stretches = lineDiff(one.lines, other.lines)
  await slices.next()
  const isLarge = one.lines.length + other.lines.length > MOST_BY_PATH
  return { ...shownRows(stretches, one.lines, other.lines), from: one, to: other, byPath: isLarge ? undefined : differenceBetween(from, to).text }
}
