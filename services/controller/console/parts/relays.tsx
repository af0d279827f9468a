import type { Below, Relay, RelayTree } from '#lib/contract/fleet-picture.ts'
import { AgentLink } from './agent-link.tsx'
import { count } from './numbers.ts'
import { State } from './pieces.tsx'

const kinds = ['applied', 'failed', 'applying', 'pending', 'offline', 'registered'] as const

/** How those below stand: only what there is. */
const Counts = ({ of }: { readonly of: Below }) => (
  <>
    {kinds
      .filter((kind) => of[kind] > 0)
      .map((kind) => (
        <>
          {' '}
          <State of={kind}>
            {count(of[kind])} {kind}
          </State>
        </>
      ))}
  </>
)

const OneRelay = ({ relay, all }: { readonly relay: Relay; readonly all: readonly Relay[] }) => {
  const below = all.filter(({ relay_id }) => relay_id === relay.agent_id)
  return (
    <li>
      <AgentLink id={relay.agent_id} hostname={relay.hostname} />
      {relay.online ? null : (
        <>
          {' '}
          <State of="offline" />
        </>
      )}
      :<Counts of={relay.below} />{' '}
      <small>
        <a href={`/console/agents?relay=${encodeURIComponent(relay.agent_id)}`}>agents that follow it</a>
      </small>
      {below.length === 0 ? null : (
        <ul>
          {below.map((one) => (
            <OneRelay relay={one} all={all} />
          ))}
        </ul>
      )}
    </li>
  )
}

/** The relays as a tree, with how all that is below each of them stands. */
export const Relays = ({ tree }: { readonly tree: RelayTree }) => (
  <ul class="tree">
    <li>
      This controller:
      <Counts of={tree.direct} /> <small>that follow it directly</small>
      {tree.relays.length === 0 ? null : (
        <ul>
          {tree.relays
            .filter(({ relay_id }) => relay_id === undefined)
            .map((one) => (
              <OneRelay relay={one} all={tree.relays} />
            ))}
        </ul>
      )}
    </li>
    {tree.more === 0 ? null : <li>and {count(tree.more)} more</li>}
  </ul>
)
