import type { Admission } from '../http/admission.ts'
import { each, type Family, one } from '../observe/metrics/family.ts'
import type { ConfigFeed } from './feed.ts'
import type { ConfigStreams } from './streams.ts'

/** What a controller and a relay tell of those who follow them. */
export const watcherFamilies = (deps: {
  readonly feed: Pick<ConfigFeed, 'hub'>
  readonly streams: Pick<ConfigStreams, 'open' | 'cutOff'>
}): readonly Family[] => [
  {
    name: 'dcm_watchers',
    type: 'gauge',
    help: 'Connections that are held until the config changes: streams, and long polls.',
    labels: ['kind'],
    // Streams that have just ended may still be counted among the one and not among the other.
    read: () => each('kind', { stream: deps.streams.open, wait: Math.max(0, deps.feed.hub.watchers - deps.streams.open) }),
  },
  {
    name: 'dcm_watchers_cut_off_total',
    type: 'counter',
    help: 'Streams that were cut off since their reader did not read.',
    read: () => one(deps.streams.cutOff),
  },
]

/** What a service tells of its admission control. */
export const admissionFamilies = (admission: Pick<Admission, 'figures'>): readonly Family[] => [
  { name: 'dcm_admission_in_progress', type: 'gauge', help: 'Requests that are worked on; held ones are not.', read: () => one(admission.figures.in_progress) },
  {
    name: 'dcm_admission_shed_total',
    type: 'counter',
    help: 'Requests and connections that were sent away, as beyond what the service takes at once.',
    read: () => one(admission.figures.shed),
  },
]
