import { type Comparable, differenceBetween } from '#lib/json/diff-text.ts'
import { type DiffRow, diffRows, type Line } from './diff-rows.ts'
import { comparableJson } from './json-text.ts'
import { count } from './numbers.ts'
import { Empty, Scroll } from './pieces.tsx'

/** Up to how many characters two configs are laid side by side line by line. */
const MAX_CHARACTERS = 1024 * 1024
/** How much of a line is shown. */
const MAX_LINE = 500

const signs = { same: ' ', changed: '~', added: '+', removed: '−' } as const
const words = { same: '', changed: 'changed', added: 'added', removed: 'removed' } as const

const Cell = ({ line, kind }: { readonly line: Line | undefined; readonly kind: string }) => (
  <>
    <td class="line-number">{line?.number ?? ''}</td>
    <td class={line ? `line line-${kind}` : 'line'}>
      {line ? line.text.slice(0, MAX_LINE) : ''}
      {line && line.text.length > MAX_LINE ? `… (${line.text.length} characters)` : ''}
    </td>
  </>
)

const Row = ({ row }: { readonly row: DiffRow }) =>
  row.kind === 'gap' ? (
    <tr class="gap">
      <td colspan={5}>{row.lines === 1 ? '1 line is' : `${count(row.lines)} lines are`} the same</td>
    </tr>
  ) : (
    <tr>
      <td class="sign">
        <span aria-hidden="true">{signs[row.kind]}</span>
        <span class="visually-hidden">{words[row.kind]}</span>
      </td>
      <Cell line={row.left} kind={row.kind === 'same' ? 'same' : 'removed'} />
      <Cell line={row.right} kind={row.kind === 'same' ? 'same' : 'added'} />
    </tr>
  )

const partsOf = ({ data, poll_interval_seconds }: Comparable) => ({ data, poll_interval_seconds })

/**
 * Two configs side by side.
 * @param from undefined: there is none, and everything is added
 */
export const SideBySide = ({
  from,
  to,
  names,
}: {
  readonly from: Comparable | undefined
  readonly to: Comparable
  readonly names: readonly [string, string]
}) => {
  const [before, after] = [from ? comparableJson(partsOf(from)) : '', comparableJson(partsOf(to))]
  if (before === after) return <Empty>They say the same.</Empty>
  const side = before.length + after.length > MAX_CHARACTERS ? undefined : diffRows(before, after)
  if (side === undefined)
    return (
      <Scroll label="What differs">
        <p>So much differs, or they are so large, that only a list of what differs is shown.</p>
        <pre>{differenceBetween(from, to).text}</pre>
      </Scroll>
    )
  return (
    <Scroll label="What differs">
      <table class="diff">
        <colgroup>
          <col class="sign" />
          <col class="line-number" />
          <col />
          <col class="line-number" />
          <col />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">
              <span class="visually-hidden">Kind</span>
            </th>
            <th scope="col" colspan={2}>
              {names[0]}
            </th>
            <th scope="col" colspan={2}>
              {names[1]}
            </th>
          </tr>
        </thead>
        <tbody>
          {side.rows.map((row) => (
            <Row row={row} />
          ))}
          {side.more === 0 ? null : (
            <tr class="gap">
              <td colspan={5}>and {count(side.more)} more rows</td>
            </tr>
          )}
        </tbody>
      </table>
    </Scroll>
  )
}
