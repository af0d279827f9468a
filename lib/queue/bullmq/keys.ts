import { QueueKeys } from 'bullmq'

/** BullMQ's queue. */
export const QUEUE_NAME = 'hits'

/** The name of every job. */
export const JOB_NAME = 'worker:hit:execute'

/** Where BullMQ keeps the queue: under `bull:hits:`. */
export class HitKeys {
  /** What BullMQ puts before the queue's name. On a Cluster its braces keep all keys of the queue on one node, as BullMQ's scripts need. */
  readonly prefix: 'bull' | '{bull}'
  /** What a job's id is put behind. */
  readonly base: string
  readonly wait: string
  readonly paused: string
  readonly active: string
  readonly stalled: string
  readonly limiter: string
  readonly delayed: string
  readonly prioritized: string
  readonly priorityCounter: string
  readonly completed: string
  readonly failed: string
  readonly meta: string
  readonly counter: string
  readonly events: string
  readonly marker: string
  readonly deduplication: string
  /**
   * Hits that a worker had and has given back, by when they were accepted: ours, since in BullMQ's own lists they cannot be told
   * from those that no worker has had.
   */
  readonly pending: string

  constructor(cluster: boolean) {
    this.prefix = cluster ? '{bull}' : 'bull'
    const keys = new QueueKeys(this.prefix).getKeys(QUEUE_NAME)
    const key = (name: string): string => {
      const found = keys[name]
      if (found === undefined) throw new Error(`BullMQ has no key ${JSON.stringify(name)}: is it another version?`)
      return found
    }
    this.base = key('')
    this.wait = key('wait')
    this.paused = key('paused')
    this.active = key('active')
    this.stalled = key('stalled')
    this.limiter = key('limiter')
    this.delayed = key('delayed')
    this.prioritized = key('prioritized')
    this.priorityCounter = key('pc')
    this.completed = key('completed')
    this.failed = key('failed')
    this.meta = key('meta')
    this.counter = key('id')
    this.events = key('events')
    this.marker = key('marker')
    this.deduplication = key('de')
    this.pending = `${this.base}pending`
  }

  /** The hash of a job. */
  job(taskId: string): string {
    return this.base + taskId
  }
}
