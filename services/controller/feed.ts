import { etagOf } from '#lib/http/etag.ts'
import type { StoredConfig } from '#lib/store/port.ts'
import { Deadlines } from '#lib/watch/deadlines.ts'
import { ChangeHub } from '#lib/watch/hub.ts'

/** The current config with everything that is the same in each answer made once. */
export interface Snapshot {
  readonly config: StoredConfig
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
  readonly event: Uint8Array
}

/** Makes the snapshot of a version. */
function snapshotOf(config: StoredConfig): Snapshot {
  const head = '{"request_id":"'
  const json = JSON.stringify(config)
  const tail = `","status":200,"success":true,"message":"success","data":${json}}`
  const event = Buffer.from(`id: ${config.version}\nevent: config\ndata: ${json}\n\n`)
  const bytes = Buffer.byteLength(head) + Buffer.byteLength(tail)
  const encoding = bytes === head.length + tail.length ? 'latin1' : 'utf8'
  return { config, version: config.version, etag: etagOf(config.version), head, tail, bytes, encoding, event }
}

/** The latest config in memory, so that no read of it touches the database; followers watch it. */
export class ConfigFeed {
  readonly hub: ChangeHub<Snapshot>
  /** When held requests are answered without news. */
  readonly deadlines = new Deadlines()

  #announced: StoredConfig | undefined

  /**
   * @param latest what the store holds at the start
   * @param onError told of a watcher that threw
   */
  constructor(latest: StoredConfig | undefined, onError?: (error: unknown) => void) {
    this.hub = new ChangeHub(latest && snapshotOf(latest), onError)
  }

  /** The snapshot of the latest version; undefined before the first publish. */
  get current(): Snapshot | undefined {
    return this.hub.current
  }

  /**
   * Announces a committed version. Versions committed together are told to their publishers in one turn, and only
   * the newest of them is announced: followers go to it directly.
   */
  announce(config: StoredConfig): void {
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
}
