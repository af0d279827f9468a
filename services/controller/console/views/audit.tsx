import { Hono } from 'hono'
import { type AuditEntry, AuditQuerySchema, auditActions } from '#lib/contract/audit.ts'
import { requires } from '#lib/http/caller.ts'
import { rememberFor } from '#lib/http/operational.ts'
import { type AuditState, checkAudit, readAudit } from '../../audit.ts'
import type { ConsoleParts } from '../console.ts'
import { showPage } from '../page.tsx'
import { VersionLink } from '../parts/agent-link.tsx'
import { count } from '../parts/numbers.ts'
import { Empty, Scroll, State } from '../parts/pieces.tsx'
import { queryOf, queryText } from '../parts/query.ts'
import { Time } from '../parts/time.tsx'
import { sessionOf } from '../session/guard.ts'

/** How many entries a page shows. */
const PAGE = 50
/** How many of the newest are checked for a page, and for how long that is remembered, in ms. */
const CHECKED = 10_000
const REMEMBER_MS = 5000

const Chain = ({ state }: { readonly state: AuditState }) => (
  <div class="chain">
    {state.findings.length === 0 ? (
      <p>
        <State of="ok">The chain is whole</State>: {state.all ? `all ${count(state.checked)} entries` : `the newest ${count(state.checked)} entries`} were
        checked
        {state.all ? '' : ' (dcm audit verify checks all of them)'}.
      </p>
    ) : (
      <div class="problem" role="alert">
        <p>
          <strong>The audit was tampered with:</strong>
        </p>
        <ul>
          {state.findings.slice(0, 20).map(({ message }) => (
            <li>{message}</li>
          ))}
        </ul>
      </div>
    )}
    <p>
      <small>
        Head: entry {state.head.seq}, hash <code>{state.head.hash}</code>. Keep it elsewhere: <code>dcm audit verify --head HASH</code> then finds what was
        written anew.
      </small>
    </p>
  </div>
)

const Row = ({ entry }: { readonly entry: AuditEntry }) => (
  <tr>
    <th scope="row">{entry.seq}</th>
    <td>
      <Time at={entry.at} />
    </td>
    <td>{entry.action.replaceAll('_', ' ')}</td>
    <td>{entry.actor}</td>
    <td>{entry.address}</td>
    <td>
      {entry.subject ?? ''}
      {entry.version_before !== entry.version_after ? (
        <>
          version <VersionLink version={entry.version_before} /> → <VersionLink version={entry.version_after} />
        </>
      ) : null}
    </td>
    <td>{entry.comment ?? ''}</td>
    <td>
      <small>
        <code>{entry.request_id}</code>
      </small>
    </td>
  </tr>
)

/** Who changed what, for admins: `/console/audit`. */
export function auditRoutes(parts: ConsoleParts) {
  const state = rememberFor(REMEMBER_MS, () => checkAudit(parts, CHECKED))
  return new Hono().get('/audit', requires('admin', 'read the audit'), async (c) => {
    const { before, action, actor } = queryOf(c, AuditQuerySchema)
    const [page, chain] = await Promise.all([readAudit(parts, { before, limit: PAGE, action, actor }), state()])
    return showPage(c, parts.assets, sessionOf(c), {
      title: 'Audit',
      place: 'audit',
      same: { dcm: 'dcm audit\ndcm audit verify', request: { path: `/audit${queryText({ before, limit: PAGE, action, actor })}` } },
      children: (
        <>
          <Chain state={chain} />
          <form class="filters" action="/console/audit" method="get" aria-label="Filter">
            <label>
              What
              <select name="action">
                <option value="">anything</option>
                {auditActions.map((one) => (
                  <option value={one} {...(one === action ? { selected: true } : {})}>
                    {one.replaceAll('_', ' ')}
                  </option>
                ))}
              </select>
            </label>
            <label>
              By the key named
              <input type="text" name="actor" value={actor ?? ''} maxlength={100} />
            </label>
            <button type="submit">Filter</button>
            <a href="/console/audit">Clear</a>
          </form>
          {page.entries.length === 0 ? (
            <Empty>No change meets these filters.</Empty>
          ) : (
            <Scroll label="Changes">
              <table class="rows">
                <thead>
                  <tr>
                    <th scope="col">Entry</th>
                    <th scope="col">When</th>
                    <th scope="col">What</th>
                    <th scope="col">By</th>
                    <th scope="col">From</th>
                    <th scope="col">Changed</th>
                    <th scope="col">Why</th>
                    <th scope="col">Request</th>
                  </tr>
                </thead>
                <tbody>
                  {page.entries.map((entry) => (
                    <Row entry={entry} />
                  ))}
                </tbody>
              </table>
            </Scroll>
          )}
          <nav class="pager" aria-label="Pages">
            <a href={`/console/audit${queryText({ action, actor })}`}>Newest</a>
            {page.next_before === undefined ? null : (
              <a rel="next" href={`/console/audit${queryText({ before: page.next_before, action, actor })}`}>
                Older
              </a>
            )}
          </nav>
        </>
      ),
    })
  })
}
