import type { FleetPicture } from '../../fleet/picture.ts'
import type { WorkerNews } from '../worker-watch.ts'
import { AgentLink } from './agent-link.tsx'
import { count } from './numbers.ts'
import { State } from './pieces.tsx'
import { Time } from './time.tsx'

/** What wants to be looked at first; where nothing does, that. */
export const Attention = ({
  attention,
  warnings,
  worker,
}: {
  readonly attention: FleetPicture['attention']
  readonly warnings: readonly string[]
  readonly worker: WorkerNews
}) => {
  const { failed, failed_total, offline, offline_total } = attention
  if (failed_total === 0 && offline_total === 0 && warnings.length === 0 && worker.broken.length === 0 && worker.problem === undefined)
    return (
      <p class="calm">
        <State of="ok">Nothing needs attention.</State>
      </p>
    )
  return (
    <section class="attention" aria-labelledby="attention">
      <h2 id="attention">Needs attention</h2>
      <ul>
        {failed.map((agent) => (
          <li>
            <State of="failed" /> <AgentLink id={agent.agent_id} hostname={agent.hostname} />: {(agent.error ?? 'it gave no reason').slice(0, 300)}
          </li>
        ))}
        {failed_total > failed.length ? (
          <li>
            <a href="/console/agents?state=failed&online=true">all {count(failed_total)} that failed</a>
          </li>
        ) : null}
        {warnings.map((warning) => (
          <li>
            <State of="warning" /> {warning}
          </li>
        ))}
        {worker.problem === undefined ? null : (
          <li>
            <State of="warning" /> {worker.problem}
          </li>
        )}
        {worker.broken.map(({ origin, circuit, reopens_at }) => (
          <li>
            <State of={circuit}>breaker {circuit.replaceAll('_', ' ')}</State>: {origin} does not answer its <a href="/console/hits">hits</a>
            {reopens_at === undefined ? null : (
              <>
                , tried again <Time at={reopens_at} />
              </>
            )}
          </li>
        ))}
        {offline_total === 0 ? null : (
          <li>
            <details>
              <summary>
                <State of="offline">{count(offline_total)} offline</State>
              </summary>
              <ul>
                {offline.map((agent) => (
                  <li>
                    <AgentLink id={agent.agent_id} hostname={agent.hostname} />, last seen <Time at={agent.last_seen_at} />
                  </li>
                ))}
                {offline_total > offline.length ? (
                  <li>
                    <a href="/console/agents?online=false&sort=-last_seen">all {count(offline_total)}</a>
                  </li>
                ) : null}
              </ul>
            </details>
          </li>
        )}
      </ul>
    </section>
  )
}
