import { type Caller, may } from '../http/caller.ts'
import { type EventBytes, type EventSink, eventBytes } from '../http/event-sink.ts'
import type { Logger } from '../observe/logger.ts'
import { cutOffComment } from './cut-off.ts'
import type { ConfigFeed, Snapshot } from './feed.ts'
import type { Presence, Sign } from './followers.ts'
import { HeldByKey } from './held-by-key.ts'
import { keyGoneComment } from './key-gone.ts'

/** Into how many parts the watchers are parted, so that their heartbeats do not come all at once. */
const HEARTBEAT_SLOTS = 30

const heartbeat = eventBytes(':\n\n')
/** How long to wait before the stream is opened again. */
const retryAfter = (ms: number): EventBytes => eventBytes(`retry: ${ms}\n\n`)
/** What a stream begins with. */
const opening = retryAfter(1000)

/** Bounds of a stream. */
export interface StreamLimits {
  /** A comment is sent this often, in ms, so that a path that went silent is noticed. */
  readonly heartbeat_ms: number
  /** A reader that has more than this waiting, in bytes, is cut off. */
  readonly max_buffered_bytes: number
}

interface Stream {
  readonly sink: EventSink
  /** Whether its reader serves others, so that it has to hear of keys that are not accepted any more. */
  readonly serves: boolean
  /** What was waiting at the last heartbeat: a reader that took nothing of it since does not read. */
  stuck: number
}

/**
 * The streams of `GET /config/stream`: every watcher gets the same bytes, which were encoded once; one timer beats
 * for all; and a reader that does not read is cut off by name, with bounded memory until then.
 */
export class ConfigStreams {
  readonly #feed: ConfigFeed
  readonly #presence: Presence
  readonly #logger: Logger
  readonly #limits: StreamLimits
  readonly #cutOffMs: () => number | null
  readonly #held: HeldByKey
  readonly #slots: Set<Stream>[] = Array.from({ length: HEARTBEAT_SLOTS }, () => new Set())
  #opened = 0
  #open = 0
  #cutOff = 0
  #beat = 0
  #timer: NodeJS.Timeout | undefined

  /** @param options.cutOffMs of a relay: for how long its controller has been out of reach, in ms; null where it is not */
  constructor(options: {
    readonly feed: ConfigFeed
    readonly presence: Presence
    readonly held?: HeldByKey
    readonly logger: Logger
    readonly limits?: Partial<StreamLimits>
    readonly cutOffMs?: () => number | null
  }) {
    this.#feed = options.feed
    this.#presence = options.presence
    this.#held = options.held ?? new HeldByKey()
    this.#logger = options.logger
    this.#limits = { heartbeat_ms: 15_000, max_buffered_bytes: 1024 * 1024, ...options.limits }
    this.#cutOffMs = options.cutOffMs ?? (() => null)
  }

  /** How many streams are open. */
  get open(): number {
    return this.#open
  }

  /** How many were cut off since they were not read. */
  get cutOff(): number {
    return this.#cutOff
  }

  /**
   * Sends what is latest unless the reader holds it, and then each version that is announced.
   * @param holds whether the reader has a config already
   * @param caller whose key it was opened with: it ends with that
   * @param sign which agent it is, where it says so
   */
  add(sink: EventSink, holds: (snapshot: Snapshot) => boolean, caller: Caller, sign?: Sign): void {
    const stream: Stream = { sink, serves: may(caller, 'batch'), stuck: 0 }
    const slot = this.#slots[this.#opened++ % HEARTBEAT_SLOTS]
    const unsubscribe = this.#feed.hub.subscribe((snapshot) => {
      if (snapshot === undefined) this.#sendAway(sink)
      else this.#send(stream, snapshot.event)
    })
    const detach = sign && this.#presence.attach(sign, () => sink.end())
    const leave = this.#held.hold(caller, () => sink.end())
    slot?.add(stream)
    this.#open++
    this.#timer ??= setInterval(() => this.#beatOnce(), this.#limits.heartbeat_ms / HEARTBEAT_SLOTS)
    sink.onClose(() => {
      unsubscribe()
      detach?.()
      leave()
      slot?.delete(stream)
      if (--this.#open > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    })
    sink.write(opening)
    // Who comes to a relay that is cut off is told at once, and not with the first heartbeat.
    if (this.#cutOffMs() !== null) sink.write(this.#heartbeat())
    const { current } = this.#feed
    if (current !== undefined && !holds(current)) sink.write(current.event)
    if (this.#feed.hub.closed) this.#sendAway(sink)
  }

  /** Tells those who serve others that a key is not accepted any more. */
  tellKeyGone(keyId: string): void {
    const comment = keyGoneComment(keyId)
    for (const slot of this.#slots) for (const { sink, serves } of slot) if (serves) sink.write(comment)
  }

  /** Ends a stream because this service stops, and says when to come back. */
  #sendAway(sink: EventSink): void {
    sink.write(retryAfter(this.#feed.returnInMs()))
    sink.end()
  }

  #send(stream: Stream, event: EventBytes): void {
    if (stream.sink.buffered > this.#limits.max_buffered_bytes) this.#cut(stream)
    else stream.sink.write(event)
  }

  /** What is sent as a heartbeat now; one buffer for all. */
  #heartbeat(): EventBytes {
    const ms = this.#cutOffMs()
    return ms === null ? heartbeat : cutOffComment(ms)
  }

  /** One slot's heartbeats. */
  #beatOnce(): void {
    const beat = this.#heartbeat()
    this.#beat = (this.#beat + 1) % HEARTBEAT_SLOTS
    for (const stream of this.#slots[this.#beat] ?? []) {
      const { buffered } = stream.sink
      if (buffered > 0 && stream.stuck > 0 && buffered >= stream.stuck) this.#cut(stream)
      else {
        stream.stuck = buffered
        stream.sink.write(beat)
      }
    }
  }

  #cut(stream: Stream): void {
    this.#cutOff++
    this.#logger.warn('http', 'watcher_too_slow: a reader of the stream does not read and was cut off', { buffered_bytes: stream.sink.buffered })
    stream.sink.cut()
  }
}
