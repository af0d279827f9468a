import { fleetStates } from '#lib/contract/inventory.ts'
import { admissionFamilies, watcherFamilies } from '#lib/distribution/metrics.ts'
import { rememberFor } from '#lib/http/operational.ts'
import { quickSeconds, slowSeconds } from '#lib/observe/metrics/distribution.ts'
import { each, type Family, one } from '#lib/observe/metrics/family.ts'
import type { ControllerDeps } from './deps.ts'

/** How many versions are named: agents may run as many as there are agents. */
const MAX_VERSIONS = 10

/**
 * Agents by version, bounded: the latest, those that most agents run (the newer where as many do), and all others as one.
 * @param byVersion as the fleet's status counts it; `none`: agents that never said so
 */
export function boundedVersions(byVersion: Readonly<Record<string, number>>, latest: number | null): Readonly<Record<string, number>> {
  const { none = 0, ...versions } = byVersion
  const isLatest = (version: string) => (Number(version) === latest ? 1 : 0)
  const ranked = Object.entries(versions).sort(([a, m], [b, n]) => isLatest(b) - isLatest(a) || n - m || Number(b) - Number(a))
  const other = ranked.slice(MAX_VERSIONS).reduce((sum, [, agents]) => sum + agents, 0)
  return { ...Object.fromEntries(ranked.slice(0, MAX_VERSIONS)), other, none }
}

type Parts = Pick<ControllerDeps, 'feed' | 'streams' | 'fleet' | 'admission' | 'store' | 'tallies' | 'requests'>

/** What the fleet says of itself; counted at most four times a second, however many ask. */
const fleetFamilies = ({ fleet }: Pick<Parts, 'fleet'>): readonly Family[] => [
  {
    name: 'dcm_agents',
    type: 'gauge',
    help: 'Agents that are registered: those online by how they stand with the latest version, and `offline`.',
    labels: ['state'],
    read: async () => {
      const { by_state } = (await fleet.status()).agents
      return each('state', Object.fromEntries([...fleetStates, 'offline'].map((state) => [state, by_state[state] ?? 0])))
    },
  },
  { name: 'dcm_agents_online', type: 'gauge', help: 'Agents that are online.', read: async () => one((await fleet.status()).agents.online) },
  {
    name: 'dcm_agents_by_version',
    type: 'gauge',
    help: `Online agents by the version that their worker runs: the latest and those that most run, at most ${MAX_VERSIONS}; \`other\`, and \`none\` where they never said so.`,
    labels: ['version'],
    read: async () => {
      const { agents, latest_version } = await fleet.status()
      return each('version', boundedVersions(agents.by_version, latest_version))
    },
  },
  {
    name: 'dcm_converged_ratio',
    type: 'gauge',
    unit: 'ratio',
    help: 'Of the online agents that report, how many have applied the latest version; absent where there are none.',
    read: async () => one((await fleet.status()).converged_ratio),
  },
]

/** All that the controller tells of itself, but for its process. */
export function controllerFamilies({ feed, streams, fleet, admission, store, tallies, requests }: Parts): readonly Family[] {
  const writable = rememberFor(1000, () =>
    store.checkWritable().then(
      () => true,
      () => false,
    ),
  )
  return [
    { name: 'dcm_latest_version', type: 'gauge', help: 'The latest version; absent before the first publish.', read: () => one(feed.current?.version) },
    {
      name: 'dcm_publishes_total',
      type: 'counter',
      help: 'Publishes and rollbacks by outcome: `published`, `repeated`, or the error code in lower case.',
      labels: ['outcome'],
      read: () => each('outcome', tallies.publishes),
    },
    {
      name: 'dcm_publish_duration_seconds',
      type: 'histogram',
      unit: 'seconds',
      help: 'How long a publish took that was stored: from its request being read to being on the disk.',
      bounds: quickSeconds,
      read: () => [{ of: tallies.publishSeconds }],
    },
    {
      name: 'dcm_propagation_seconds',
      type: 'histogram',
      unit: 'seconds',
      help: "From a publish to each agent's report that its worker has it; of the latest version.",
      bounds: slowSeconds,
      read: () => [{ of: tallies.propagation }],
    },
    ...fleetFamilies({ fleet }),
    ...watcherFamilies({ feed, streams }),
    ...admissionFamilies(admission),
    { name: 'dcm_store_up', type: 'gauge', help: '1 where the database takes a write, else 0.', read: async () => one((await writable()) ? 1 : 0) },
    {
      name: 'dcm_audit_entries_total',
      type: 'counter',
      help: 'The number of the newest entry of the audit.',
      read: async () => one((await store.audit({ limit: 1 })).head.seq),
    },
    ...(requests?.families ?? []),
  ]
}
