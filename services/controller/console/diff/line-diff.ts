import { diffArrays } from 'diff'

/** How long the search for the shortest difference may hold the event loop, in ms; beyond, lines are held against each other in their order. */
const SEARCH_MS = 40
/** In how many lines of both sides it is searched for: already to begin takes long where there are more. */
const MOST_SEARCHED = 200_000

/** How many stretches are told apart where lines are held against each other in their order: nobody reads more. */
const MOST_STRETCHES = 50_000

/** Lines of both sides that are the same, or that stand in each other's place. */
export interface Stretch {
  readonly same: boolean
  /** The first line on each side, from 0. */
  readonly left: number
  readonly right: number
  /** How many there are on each side. */
  readonly lefts: number
  readonly rights: number
}

/** Line against line in their order: what a search that took too long leaves. */
function inOrder(from: readonly string[], to: readonly string[]): readonly { readonly same: boolean; readonly lefts: number; readonly rights: number }[] {
  const both = Math.min(from.length, to.length)
  const found: { same: boolean; lefts: number; rights: number }[] = []
  let i = 0
  for (; i < both && found.length < MOST_STRETCHES; i++) {
    const same = from[i] === to[i]
    const last = found.at(-1)
    if (last?.same === same) {
      last.lefts++
      last.rights++
    } else found.push({ same, lefts: 1, rights: 1 })
  }
  return [...found, { same: false, lefts: from.length - i, rights: to.length - i }]
}

/** The shortest difference (Myers), or that of lines in their order where it is not found in time. */
function middle(from: readonly string[], to: readonly string[]): readonly { readonly same: boolean; readonly lefts: number; readonly rights: number }[] {
  if (from.length === 0 || to.length === 0) return [{ same: false, lefts: from.length, rights: to.length }]
  const found = from.length + to.length > MOST_SEARCHED ? undefined : diffArrays([...from], [...to], { timeout: SEARCH_MS })
  if (found === undefined) return inOrder(from, to)
  return found.map(({ added, removed, count }) => ({ same: !added && !removed, lefts: added ? 0 : count, rights: removed ? 0 : count }))
}

/** What differs between two texts, line by line, from the first line to the last; its cost is bounded whatever they are. */
export function lineDiff(from: readonly string[], to: readonly string[]): readonly Stretch[] {
  const shorter = Math.min(from.length, to.length)
  let start = 0
  while (start < shorter && from[start] === to[start]) start++
  let end = 0
  while (end < shorter - start && from[from.length - 1 - end] === to[to.length - 1 - end]) end++
  const parts = [
    { same: true, lefts: start, rights: start },
    ...middle(from.slice(start, from.length - end), to.slice(start, to.length - end)),
    { same: true, lefts: end, rights: end },
  ]
  const stretches: Stretch[] = []
  let [left, right] = [0, 0]
  for (const { same, lefts, rights } of parts) {
    if (lefts + rights === 0) continue
    const last = stretches.at(-1)
    // What was taken away and what came in its place are one stretch: its lines are shown beside each other.
    if (last?.same === same) stretches[stretches.length - 1] = { ...last, lefts: last.lefts + lefts, rights: last.rights + rights }
    else stretches.push({ same, left, right, lefts, rights })
    left += lefts
    right += rights
  }
  return stretches
}
