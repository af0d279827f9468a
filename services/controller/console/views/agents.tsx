import { Hono } from 'hono'
import { type Agent, type AgentsPage, type AgentsQuery, AgentsQuerySchema, fleetStates } from '#lib/contract/inventory.ts'
import { requires } from '#lib/http/caller.ts'
import type { ConsoleParts } from '../console.ts'
import { showPage } from '../page.tsx'
import { AgentLink, VersionLink } from '../parts/agent-link.tsx'
import { count } from '../parts/numbers.ts'
import { Empty, Scroll, State } from '../parts/pieces.tsx'
import { queryOf, queryText } from '../parts/query.ts'
import { word } from '../parts/shell.ts'
import { Time } from '../parts/time.tsx'
import { sessionOf } from '../session/guard.ts'

/** How many agents a page shows. */
const PAGE = 50

/** What the table can be sorted by, with its columns. */
const columns = [
  { sort: 'hostname', name: 'Host' },
  { sort: 'state', name: 'State' },
  { sort: 'version', name: 'Runs' },
  { sort: undefined, name: 'Follows' },
  { sort: undefined, name: 'Labels' },
  { sort: 'last_seen', name: 'Last seen' },
] as const

/** The query without where in the list it is. */
const kept = ({ state, online, version, label, relay, q, sort }: AgentsQuery) => ({ state, online, version, label, relay, q, sort })

const Choice = ({
  name,
  value,
  text,
  chosen,
}: {
  readonly name: string
  readonly value: string
  readonly text: string
  readonly chosen: string | undefined
}) => (
  <option value={value} {...(chosen === value ? { selected: true } : {})} data-name={name}>
    {text}
  </option>
)

/** The filters: a form that is sent as it is, and by htmx while one types. */
const Filters = ({ query }: { readonly query: AgentsQuery }) => (
  <form
    class="filters"
    action="/console/agents"
    method="get"
    aria-label="Filter"
    hx-get="/console/agents"
    hx-trigger="input delay:300ms, submit"
    hx-target="#list"
    hx-select="#list"
    hx-swap="outerHTML"
    hx-replace-url="true"
  >
    <label>
      Host, id or address
      <input type="search" name="q" value={query.q ?? ''} maxlength={100} />
    </label>
    <label>
      State
      <select name="state">
        <option value="">any</option>
        {fleetStates.map((state) => (
          <Choice name="state" value={state} text={state} chosen={query.state} />
        ))}
      </select>
    </label>
    <label>
      Online
      <select name="online">
        <option value="">either</option>
        <Choice name="online" value="true" text="online" chosen={query.online} />
        <Choice name="online" value="false" text="offline" chosen={query.online} />
      </select>
    </label>
    <label>
      Runs version
      <input type="number" name="version" min={1} value={query.version ?? ''} />
    </label>
    <label>
      Label
      <input type="text" name="label" value={query.label ?? ''} placeholder="zone:eu-1" />
    </label>
    {query.relay === undefined ? null : <input type="hidden" name="relay" value={query.relay} />}
    {query.sort === undefined ? null : <input type="hidden" name="sort" value={query.sort} />}
    <button type="submit">Filter</button>
    <a href="/console/agents">Clear</a>
  </form>
)

const Head = ({ query }: { readonly query: AgentsQuery }) => (
  <tr>
    {columns.map(({ sort, name }) => {
      if (sort === undefined) return <th scope="col">{name}</th>
      const rising = query.sort === sort
      const falling = query.sort === `-${sort}`
      return (
        <th scope="col" {...(rising ? { 'aria-sort': 'ascending' as const } : falling ? { 'aria-sort': 'descending' as const } : {})}>
          <a href={`/console/agents${queryText({ ...kept(query), sort: rising ? `-${sort}` : sort })}`}>
            {name}
            <span aria-hidden="true">{rising ? ' ▲' : falling ? ' ▼' : ''}</span>
          </a>
        </th>
      )
    })}
  </tr>
)

const Row = ({ agent }: { readonly agent: Agent }) => (
  <tr>
    <th scope="row">
      <AgentLink id={agent.agent_id} hostname={agent.hostname} />
      <br />
      <small>{agent.ip_address}</small>
    </th>
    <td>
      <State of={agent.online ? agent.state : 'offline'} />
      {agent.error === undefined ? null : (
        <>
          <br />
          <small>{agent.error.slice(0, 200)}</small>
        </>
      )}
    </td>
    <td>
      <VersionLink version={agent.applied_version} none="–" />
      {agent.desired_version !== null && agent.applied_version !== null && agent.applied_version !== agent.desired_version ? (
        <small> of {agent.desired_version}</small>
      ) : null}
    </td>
    <td>
      {agent.via ?? '–'}
      {agent.relay_id === undefined ? null : (
        <>
          <br />
          <small>
            below <AgentLink id={agent.relay_id} hostname={null} />
          </small>
        </>
      )}
    </td>
    <td>
      <small>
        {Object.entries(agent.labels)
          .slice(0, 8)
          .map(([key, value]) => (
            <>
              <a href={`/console/agents${queryText({ label: `${key}:${value}` })}`}>
                {key}:{value.slice(0, 60)}
              </a>{' '}
            </>
          ))}
      </small>
    </td>
    <td>
      <Time at={agent.last_seen_at} />
    </td>
  </tr>
)

const List = ({ page, query }: { readonly page: AgentsPage; readonly query: AgentsQuery }) => (
  <div id="list">
    <p role="status">
      {count(page.total ?? 0)} {page.total === 1 ? 'agent' : 'agents'}
      {query.relay === undefined ? null : (
        <>
          {' '}
          that follow <AgentLink id={query.relay} hostname={null} />
        </>
      )}
    </p>
    {page.agents.length === 0 ? (
      <Empty>
        No agent meets these filters. Agents come here by themselves when they register: start one with <code>CONTROLLER_URL</code> of this controller.
      </Empty>
    ) : (
      <Scroll label="Agents">
        <table class="rows">
          <thead>
            <Head query={query} />
          </thead>
          <tbody>
            {page.agents.map((agent) => (
              <Row agent={agent} />
            ))}
          </tbody>
        </table>
      </Scroll>
    )}
    <nav class="pager" aria-label="Pages">
      {query.cursor === undefined ? <span /> : <a href={`/console/agents${queryText(kept(query))}`}>First page</a>}
      {page.next_cursor === undefined ? null : (
        <a rel="next" href={`/console/agents${queryText({ ...kept(query), cursor: page.next_cursor })}`}>
          Next page
        </a>
      )}
    </nav>
  </div>
)

/** The dcm command that lists the same. */
function commandOf({ state, online, version, label, q, sort }: AgentsQuery): string {
  const options = [
    state === undefined ? '' : ` --state ${state}`,
    online === undefined ? '' : online === 'true' ? ' --online' : ' --offline',
    version === undefined ? '' : ` --version ${version}`,
    label === undefined ? '' : ` --label ${word(label.replace(':', '='))}`,
    q === undefined ? '' : ` --search ${word(q)}`,
    sort === undefined ? '' : ` --sort=${word(sort)}`,
  ]
  return `dcm agents${options.join('')}`
}

/** The inventory: `/console/agents`. */
export function agentsRoutes({ fleet, assets }: ConsoleParts) {
  return new Hono().get('/agents', requires('fleet', 'see the agents'), async (c) => {
    const query = queryOf(c, AgentsQuerySchema)
    const page = await fleet.page({ ...query, limit: query.limit ?? PAGE, count: 'true' })
    return showPage(c, assets, sessionOf(c), {
      title: 'Agents',
      place: 'agents',
      same: { dcm: commandOf(query), request: { path: `/agents${queryText({ ...kept(query), limit: PAGE })}` } },
      children: (
        <>
          <Filters query={query} />
          <List page={page} query={query} />
        </>
      ),
    })
  })
}
