import type { ReceivedConfig } from '../contract/config.ts'
import { etagOf } from '../http/etag.ts'
import { type EventBytes, eventBytes } from '../http/event-sink.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { Deadlines } from '../watch/deadlines.ts'
import { ChangeHub } from '../watch/hub.ts'
import { KeyConnections } from './key-connections.ts'

/** How many watchers a second come back after a drain: what a controller that has just started takes with ease. */
const RETURNS_PER_SECOND = 1000

/** The current config with everything that is the same in each answer made once. */
export interface Snapshot {
  readonly config: ReceivedConfig
  readonly version: number
  readonly etag: string
  /** The envelope's JSON up to the request id, and from behind it. */
  readonly head: string
  readonly tail: string
  /** The bytes of both together. */
  readonly bytes: number
  /** Latin-1 where all of it is ASCII: Node writes that faster, and the bytes are the same. */
  readonly encoding: 'latin1' | 'utf8'
  /** The whole event of a stream; one buffer for all watchers. */
  readonly event: EventBytes
}

/** Makes the snapshot of a version. */
function snapshotOf(config: ReceivedConfig): Snapshot {
  const head = '{"request_id":"'
  const json = JSON.stringify(config)
  const tail = `","status":200,"success":true,"message":"success","data":${json}}`
  const event = eventBytes(`id: ${config.version}\nevent: config\ndata: ${json}\n\n`)
  const bytes = Buffer.byteLength(head) + Buffer.byteLength(tail)
  const encoding = bytes === head.length + tail.length ? 'latin1' : 'utf8'
  return { config, version: config.version, etag: etagOf(config.version), head, tail, bytes, encoding, event }
}

/** The latest config in memory, so that no read of it touches the database or a controller; followers watch it. */
export class ConfigFeed {
  readonly hub: ChangeHub<Snapshot>
  /** When held requests are answered without news. */
  readonly deadlines = new Deadlines()
  /** Those who watch, by their keys. */
  readonly byKey = new KeyConnections()

  readonly #clock: Pick<Clock, 'random'>
  #announced: ReceivedConfig | undefined
  /** Over how long watchers are told to come back, in ms; set when the feed closes. */
  #returnWindowMs = 1000

  /**
   * @param latest what there is at the start
   * @param options.onError told of a watcher that threw
   */
  constructor(latest: ReceivedConfig | undefined, options: { readonly onError?: (error: unknown) => void; readonly clock?: Pick<Clock, 'random'> } = {}) {
    this.hub = new ChangeHub(latest && snapshotOf(latest), options.onError)
    this.#clock = options.clock ?? systemClock
  }

  /** The snapshot of the latest version; undefined before the first. */
  get current(): Snapshot | undefined {
    return this.hub.current
  }

  /**
   * Announces a committed version. Versions committed together are told to their publishers in one turn, and only
   * the newest of them is announced: followers go to it directly.
   */
  announce(config: ReceivedConfig): void {
    const waiting = this.#announced
    if (config.version <= (waiting?.version ?? this.current?.version ?? 0)) return
    this.#announced = config
    if (waiting) return
    queueMicrotask(() => {
      const newest = this.#announced
      this.#announced = undefined
      if (newest) this.hub.publish(snapshotOf(newest))
    })
  }

  /** Takes a config as the latest, whatever its version: what a relay was told by its controller. */
  adopt(config: ReceivedConfig): void {
    this.hub.publish(snapshotOf(config))
  }

  /** Ends all watches. Whoever watched is told to come back within a window that grows with their number. */
  close(): void {
    this.#returnWindowMs = 1000 + (this.hub.watchers * 1000) / RETURNS_PER_SECOND
    this.hub.close()
  }

  /** In how many ms one who watched is to come back: anywhere in the window, so that not all come at once. */
  returnInMs(): number {
    return Math.round(500 + this.#clock.random() * this.#returnWindowMs)
  }
}
