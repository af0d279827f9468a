import { type AuditEntry, auditActions } from '#lib/contract/audit.ts'
import type { ChainState } from '../../audit-chain.ts'
import { count } from '../parts/numbers.ts'
import { State } from '../parts/pieces.tsx'
import { Time } from '../parts/time.tsx'

/** How many findings are told of. */
const MOST_FINDINGS = 20

/** What the filter of a page holds, as it was written. */
export interface AuditWishes {
  readonly action: string
  readonly actor: string
  readonly since: string
  readonly until: string
}

/** The chain's state; while it is checked it asks again by itself. */
export const Chain = ({ state }: { readonly state: ChainState }) => {
  if (state.kind === 'checking')
    return (
      <div id="chain" role="status" hx-get="/console/audit/chain" hx-trigger="load delay:1s" hx-swap="outerHTML">
        <p>
          <State of="pending">being checked</State>: {count(state.checked)} of {count(state.of)} entries. <a href="/console/audit">Look again</a>
        </p>
        <progress class="meter meter-neutral" value={state.checked} max={Math.max(1, state.of)} aria-label="Entries checked" />
      </div>
    )
  if (state.kind === 'failed')
    return (
      <p id="chain" class="problem" role="alert">
        The chain could not be checked: {state.why}
      </p>
    )
  const { findings, head, at } = state
  if (findings.length === 0)
    return (
      <p id="chain" role="status">
        <State of="ok">intact</State> up to entry {head.seq}, head hash <code>{head.hash}</code>; checked <Time at={new Date(at).toISOString()} />.
      </p>
    )
  return (
    <div id="chain" class="problem" role="alert">
      <p>
        <State of="failed">broken</State>: the audit is not what was written. Look at a backup, and at the log’s <code>audit_hash</code> of these entries.
      </p>
      <ul>
        {findings.slice(0, MOST_FINDINGS).map(({ kind, message }) => (
          <li>
            <strong>{kind}</strong>: {message}
          </li>
        ))}
      </ul>
      {findings.length > MOST_FINDINGS ? (
        <p>
          … and {count(findings.length - MOST_FINDINGS)} more: <code>dcm audit verify</code> has all of them.
        </p>
      ) : null}
    </div>
  )
}

/** The filter, which needs no script. */
export const Filter = ({ wishes: { action, actor, since, until } }: { readonly wishes: AuditWishes }) => (
  <form method="get" action="/console/audit" class="inline" aria-label="Filter">
    <label>
      Who
      <input name="actor" value={actor} maxlength={200} placeholder="name of a key" />
    </label>
    <label>
      What
      <select name="action">
        <option value="">anything</option>
        {auditActions.map((one) => (
          <option value={one} selected={one === action}>
            {one.replaceAll('_', ' ')}
          </option>
        ))}
      </select>
    </label>
    <label>
      From <small>(day, UTC)</small>
      <input type="date" name="since" value={since} />
    </label>
    <label>
      To <small>(day, UTC)</small>
      <input type="date" name="until" value={until} />
    </label>
    <button type="submit">Show</button>
    {action + actor + since + until === '' ? null : <a href="/console/audit">Show all</a>}
  </form>
)

const Versions = ({ entry: { version_before, version_after } }: { readonly entry: AuditEntry }) => {
  if (version_after === null) return <>–</>
  const after = <a href={`/console/configs/${version_after}`}>{version_after}</a>
  if (version_before === version_after) return after
  return (
    <>
      {version_before ?? 'none'} → {after}
    </>
  )
}

/** Entries, the newest first. */
export const Entries = ({ entries }: { readonly entries: readonly AuditEntry[] }) => (
  <section class="scroll" tabindex={0} aria-label="Entries">
    <table>
      <caption class="visually-hidden">Changes, the newest first</caption>
      <thead>
        <tr>
          <th scope="col">Entry</th>
          <th scope="col">When</th>
          <th scope="col">Who</th>
          <th scope="col">From</th>
          <th scope="col">What</th>
          <th scope="col">Version</th>
          <th scope="col">Subject</th>
          <th scope="col">Comment</th>
          <th scope="col">Hash</th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <tr>
            <th scope="row">{entry.seq}</th>
            <td class="nowrap">
              <Time at={entry.at} />
            </td>
            <td class="name">
              <a href={`/console/audit?actor=${encodeURIComponent(entry.actor)}`}>{entry.actor}</a>
            </td>
            <td class="name">{entry.address}</td>
            <td class="nowrap">{entry.action.replaceAll('_', ' ')}</td>
            <td class="nowrap">
              <Versions entry={entry} />
            </td>
            <td class="comment">{entry.subject}</td>
            <td class="comment">{entry.comment}</td>
            <td class="nowrap">
              <code title={`${entry.hash}, request ${entry.request_id}`}>{entry.hash.slice(0, 8)}…</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </section>
)
