import { connectionStates, deliveryStates, followModes } from '#lib/contract/agent.ts'
import { admissionFamilies, watcherFamilies } from '#lib/distribution/metrics.ts'
import { each, type Family, one, stateSet } from '#lib/observe/metrics/family.ts'
import type { AgentDeps } from './deps.ts'
import type { Relay } from './relay/relay.ts'

type Parts = Pick<AgentDeps, 'follower' | 'forwarder' | 'reporter' | 'cache' | 'relay' | 'admission' | 'requests'>

/** What a relay tells beside. */
const relayFamilies = (relay: Relay): readonly Family[] => [
  ...watcherFamilies(relay),
  {
    name: 'dcm_relay_followers',
    type: 'gauge',
    help: 'Agents that the relay knows of, below relays that follow it too.',
    read: () => one(relay.status.followers),
  },
  {
    name: 'dcm_relay_unsent_followers',
    type: 'gauge',
    help: 'Followers of which there is news that the controller has not taken yet.',
    read: () => one(relay.status.unsent),
  },
  { name: 'dcm_relay_cut_off', type: 'gauge', help: '1 where the relay cannot reach its controller, else 0.', read: () => one(relay.cutOff ? 1 : 0) },
  {
    name: 'dcm_relay_key_checks_total',
    type: 'counter',
    help: 'Keys that the controller was asked about: accepted, refused, or not answered.',
    labels: ['verdict'],
    read: () => each('verdict', relay.keys.figures),
  },
]

/** All that an agent tells of itself, but for its process. */
export function agentFamilies({ follower, forwarder, reporter, cache, relay, admission, requests }: Parts): readonly Family[] {
  return [
    {
      name: 'dcm_agent_connection',
      type: 'gauge',
      help: 'How the agent stands with its controller: 1 for the state that holds.',
      labels: ['state'],
      read: () => stateSet('state', connectionStates, follower.status.state),
    },
    {
      name: 'dcm_agent_following',
      type: 'gauge',
      help: 'How the agent follows: 1 for the way that it does; all 0 while it does not.',
      labels: ['via'],
      read: () => stateSet('via', followModes, follower.status.via),
    },
    {
      name: 'dcm_agent_connects_total',
      type: 'counter',
      help: 'How often the agent has registered and begun to follow: beyond the first, it connected again.',
      read: () => one(follower.figures.connects),
    },
    {
      name: 'dcm_agent_connection_failures_total',
      type: 'counter',
      help: 'How often registering, fetching or following failed.',
      read: () => one(follower.figures.failures),
    },
    { name: 'dcm_agent_held_version', type: 'gauge', help: 'The version held; absent before the first.', read: () => one(follower.held?.version) },
    {
      name: 'dcm_agent_applied_version',
      type: 'gauge',
      help: 'The version that the worker runs; absent where that is not known.',
      read: () => one(forwarder.status.applied_version),
    },
    {
      name: 'dcm_agent_delivery',
      type: 'gauge',
      help: 'How the worker stands with the config held: 1 for the state that holds.',
      labels: ['state'],
      read: () => stateSet('state', deliveryStates, forwarder.status.state),
    },
    {
      name: 'dcm_agent_deliveries_total',
      type: 'counter',
      help: 'Configs handed to the worker: applied, refused by it, declined as older than what it holds (`stale`), or not taken and tried again (`failed`).',
      labels: ['outcome'],
      read: () => each('outcome', forwarder.figures),
    },
    {
      name: 'dcm_agent_reports_total',
      type: 'counter',
      help: 'Reports to the controller: taken, or failed.',
      labels: ['outcome'],
      read: () => each('outcome', reporter.figures),
    },
    {
      name: 'dcm_agent_cache_write_failures_total',
      type: 'counter',
      help: 'How often a config could not be written to the cache.',
      read: () => one(cache.figures.failed),
    },
    ...(relay ? relayFamilies(relay) : []),
    ...(admission ? admissionFamilies(admission) : []),
    ...(requests?.families ?? []),
  ]
}
