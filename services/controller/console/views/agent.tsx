import { Hono } from 'hono'
import type { AgentDetail, AgentHistory } from '#lib/contract/inventory.ts'
import { agentNotFound } from '#lib/distribution/routes/reports.ts'
import { may, requires } from '#lib/http/caller.ts'
import { actorOf } from '../../actor.ts'
import type { ConsoleParts } from '../console.ts'
import { Csrf, showPage } from '../page.tsx'
import { AgentLink, VersionLink } from '../parts/agent-link.tsx'
import { HitTable } from '../parts/fleet-hits.tsx'
import { Empty, Figure, Scroll, State } from '../parts/pieces.tsx'
import { word } from '../parts/shell.ts'
import { Time } from '../parts/time.tsx'
import { readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'

const History = ({ reports }: AgentHistory) =>
  reports.length === 0 ? (
    <Empty>It has reported on no version yet. Agents of the Go system never do.</Empty>
  ) : (
    <Scroll label="What it made of each version">
      <table class="rows">
        <thead>
          <tr>
            <th scope="col">Version</th>
            <th scope="col">State</th>
            <th scope="col">Reported</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {reports.map(({ version, state, error, at }) => (
            <tr>
              <th scope="row">
                <VersionLink version={version} />
              </th>
              <td>
                <State of={state} />
              </td>
              <td>
                <Time at={at} />
              </td>
              <td>{error ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )

/** The relays between an agent and the controller, the uppermost first; cut off where they make a circle. */
function above(fleet: ConsoleParts['fleet'], agent: AgentDetail): readonly { readonly id: string; readonly hostname: string | null }[] {
  const chain: { id: string; hostname: string | null }[] = []
  for (let id = agent.relay_id; id !== undefined && chain.length < 16; ) {
    const relay = fleet.agent(id)
    chain.unshift({ id, hostname: relay?.hostname ?? null })
    id = relay?.relay_id
  }
  return chain
}

const Facts = ({ agent, relays }: { readonly agent: AgentDetail; readonly relays: ReturnType<typeof above> }) => (
  <>
    <dl class="figures">
      <Figure name="State">
        <State of={agent.online ? agent.state : 'offline'} />
      </Figure>
      <Figure name="Runs version" note={agent.desired_version === null ? null : `wanted: ${agent.desired_version}`}>
        <VersionLink version={agent.applied_version} none="not told" />
      </Figure>
      <Figure name="Holds version">
        <VersionLink version={agent.held_version} none="none" />
      </Figure>
      <Figure name="Follows by">{agent.via ?? 'not known'}</Figure>
      <Figure name="Last seen">
        <Time at={agent.last_seen_at} />
      </Figure>
      <Figure name="Registered">
        <Time at={agent.registered_at} />
      </Figure>
    </dl>
    {agent.error === undefined ? null : (
      <div class="problem">
        <p>
          <strong>Its worker refused version {agent.desired_version}:</strong> {agent.error}
        </p>
      </div>
    )}
    <table aria-label="What it said of itself">
      <tbody>
        <tr>
          <th scope="row">Address</th>
          <td>
            {agent.ip_address}, port {agent.port}
          </td>
        </tr>
        <tr>
          <th scope="row">Id</th>
          <td>
            <code>{agent.agent_id}</code>
          </td>
        </tr>
        <tr>
          <th scope="row">Release</th>
          <td>{agent.agent_version ?? 'not told'}</td>
        </tr>
        <tr>
          <th scope="row">Belongs to the key</th>
          <td>{agent.owner ?? 'nobody’s'}</td>
        </tr>
        <tr>
          <th scope="row">In the tree</th>
          <td>
            controller
            {relays.map((relay) => (
              <>
                {' → '}
                <AgentLink id={relay.id} hostname={relay.hostname} />
              </>
            ))}
            {' → '}
            {agent.hostname}
          </td>
        </tr>
        <tr>
          <th scope="row">Labels</th>
          <td>
            {Object.keys(agent.labels).length === 0
              ? 'none'
              : Object.entries(agent.labels).map(([key, value]) => (
                  <>
                    <code>
                      {key}:{value}
                    </code>{' '}
                  </>
                ))}
          </td>
        </tr>
      </tbody>
    </table>
  </>
)

/** One agent: `/console/agents/:id`. */
export function agentRoutes({ fleet, live, assets, address }: ConsoleParts) {
  const part = async (id: string) => {
    const agent = fleet.agent(id)
    const history = await fleet.history(id)
    if (agent === undefined || history === undefined) throw agentNotFound(id)
    return (
      <>
        <Facts agent={agent} relays={above(fleet, agent)} />
        <h2>What it made of each version</h2>
        <History reports={history.reports} />
        <h2>Hits of its worker, the last 5 minutes</h2>
        {agent.hits.length === 0 ? <Empty>It told of none.</Empty> : <HitTable outcomes={agent.hits} />}
      </>
    )
  }
  return new Hono()
    .use('/agents/*', requires('fleet', 'see an agent'))
    .get('/agents/:id', async (c) => {
      const id = c.req.param('id')
      const agent = fleet.agent(id)
      if (agent === undefined) throw agentNotFound(id)
      const session = sessionOf(c)
      const path = `/agents/${encodeURIComponent(id)}`
      return showPage(c, assets, session, {
        title: agent.hostname,
        place: 'agents',
        same: { dcm: `dcm agent ${word(id)}`, request: { path } },
        children: (
          <>
            <div hx-sse:connect={`/console${path}/live`} hx-swap="innerMorph">
              {await part(id)}
            </div>
            {may(session.caller, 'admin') ? (
              <details>
                <summary>Forget this agent</summary>
                <p>For hosts that are gone. One that is still there registers again by itself.</p>
                <form method="post" action={`/console${path}/forget`}>
                  <Csrf session={session} />
                  <button type="submit" class="secondary small">
                    Forget {agent.hostname}
                  </button>
                </form>
              </details>
            ) : null}
          </>
        ),
      })
    })
    .get('/agents/:id/live', (c) => {
      const id = c.req.param('id')
      if (fleet.agent(id) === undefined) throw agentNotFound(id)
      return live.stream(c, `agent ${id}`, async () => String(await part(id)))
    })
    .post('/agents/:id/forget', requires('admin', 'forget an agent'), async (c) => {
      await readOwnForm(c)
      const id = c.req.param('id')
      if (!(await fleet.remove(id, actorOf(c, address)))) throw agentNotFound(id)
      return c.redirect('/console/agents', 303)
    })
}
