import type { HitTimings } from '#lib/contract/hit.ts'
import { duration } from './numbers.ts'

/** The phases of a request in their order, and what each is. */
const phases = [
  ['resolve', 'name resolved'],
  ['connect', 'connected'],
  ['tls', 'TLS agreed'],
  ['processing', 'waited for the answer'],
  ['transfer', 'answer transferred'],
] as const

/** Where a request spent its time: a bar with a part for each phase, and a table with the exact values. */
export const Phases = ({ timings }: { readonly timings: HitTimings }) => {
  const shown = phases.flatMap(([name, words]) => {
    const ms = timings[name]
    return ms === undefined ? [] : [{ name, words, ms }]
  })
  const sum = Math.max(
    timings.total,
    shown.reduce((all, { ms }) => all + ms, 0),
    0.001,
  )
  let x = 0
  return (
    <div>
      <svg
        class="phases"
        viewBox="0 0 1000 40"
        preserveAspectRatio="none"
        role="img"
        aria-label={`The phases of ${duration(timings.total)}; the table below has each`}
      >
        <rect class="phase-rest" x="0" y="0" width="1000" height="40" />
        {shown.map(({ name, ms }) => {
          const width = (ms / sum) * 1000
          const rect = <rect class={`phase-${name}`} x={x.toFixed(1)} y="0" width={Math.max(width, 1).toFixed(1)} height="40" />
          x += width
          return rect
        })}
      </svg>
      <table aria-label="The phases of the request">
        <tbody>
          {shown.map(({ name, words, ms }) => (
            <tr>
              <th scope="row">
                <svg class="key" viewBox="0 0 10 10" aria-hidden="true">
                  <rect class={`phase-${name}`} width="10" height="10" />
                </svg>{' '}
                {words}
              </th>
              <td class="number">{duration(ms)}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">in all{timings.reused ? ', on a connection that was open' : ''}</th>
            <td class="number">{duration(timings.total)}</td>
          </tr>
        </tbody>
      </table>
    </div>
  )
}
