import { type Caller, may } from '../http/caller.ts'
import { type EventBytes, type EventSink, eventBytes } from '../http/event-sink.ts'
import type { Logger } from '../observe/logger.ts'
import { cutOffComment } from './cut-off.ts'
import type { ConfigFeed, Snapshot } from './feed.ts'
import type { Presence, Sign } from './followers.ts'
import type { Drop } from './key-connections.ts'
import { keyEndedComment, keysHeartbeat } from './key-news.ts'

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

/** Whether a reader may be a relay: one that may not report for others is none. */
const mayBeRelay = (caller: Caller): boolean => may(caller, 'batch')

interface Stream {
  readonly sink: EventSink
  readonly caller: Caller
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
  readonly #keysCount: () => number | null
  readonly #slots: Set<Stream>[] = Array.from({ length: HEARTBEAT_SLOTS }, () => new Set())
  #opened = 0
  #open = 0
  #cutOff = 0
  #beat = 0
  #timer: NodeJS.Timeout | undefined

  /**
   * @param options.cutOffMs of a relay: for how long its controller has been out of reach, in ms; null where it is not
   * @param options.keysCount of a relay: changes where it may have missed the end of a key; null where it is not told of it
   */
  constructor(options: {
    readonly feed: ConfigFeed
    readonly presence: Presence
    readonly logger: Logger
    readonly limits?: Partial<StreamLimits>
    readonly cutOffMs?: () => number | null
    readonly keysCount?: () => number | null
  }) {
    this.#feed = options.feed
    this.#presence = options.presence
    this.#logger = options.logger
    this.#limits = { heartbeat_ms: 15_000, max_buffered_bytes: 1024 * 1024, ...options.limits }
    this.#cutOffMs = options.cutOffMs ?? (() => null)
    this.#keysCount = options.keysCount ?? (() => 0)
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
   * @param caller whose request it is: the stream ends with the key
   * @param sign which agent it is, where it says so
   */
  add(sink: EventSink, holds: (snapshot: Snapshot) => boolean, caller: Caller, sign?: Sign): void {
    const stream: Stream = { sink, caller, stuck: 0 }
    const slot = this.#slots[this.#opened++ % HEARTBEAT_SLOTS]
    let over = false
    // Before it is ended, not when it is closed: until a slow reader has taken the rest there would be writes behind the end.
    const leave = () => {
      if (over) return
      over = true
      unsubscribe()
      this.#feed.byKey.delete(caller, drop)
      detach?.()
      slot?.delete(stream)
      if (--this.#open > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    const unsubscribe = this.#feed.hub.subscribe((snapshot) => {
      if (snapshot !== undefined) return this.#send(stream, snapshot.event)
      leave()
      this.#sendAway(sink)
    })
    const drop: Drop = () => {
      if (over) return
      leave()
      // What waits is for a reader that may have it no more.
      if (sink.buffered > 0) sink.cut()
      else sink.end()
    }
    const detach = sign && this.#presence.attach(sign, drop)
    slot?.add(stream)
    this.#open++
    this.#timer ??= setInterval(() => this.#beatOnce(), this.#limits.heartbeat_ms / HEARTBEAT_SLOTS)
    sink.onClose(leave)
    sink.write(opening)
    // Who comes to a relay that is cut off is told at once, and not with the first heartbeat.
    if (this.#cutOffMs() !== null) sink.write(this.#heartbeat())
    const { current } = this.#feed
    if (current !== undefined && !holds(current)) sink.write(current.event)
    this.#feed.byKey.add(caller, drop)
    if (!over && this.#feed.hub.closed) {
      leave()
      this.#sendAway(sink)
    }
  }

  /** Tells the relays among the readers that a key is accepted no longer, so that they forget it at once. */
  tellKeyEnded(keyId: string): void {
    const news = keyEndedComment(keyId)
    for (const stream of this.#relays()) this.#send(stream, news)
  }

  /** Tells the relays among the readers at once, and not with their next heartbeats, that ends of keys may have been missed, or will be. */
  tellKeysCount(): void {
    const beat = this.#relayHeartbeat()
    for (const stream of this.#relays()) this.#send(stream, beat)
  }

  *#relays(): Iterable<Stream> {
    for (const slot of this.#slots) for (const stream of slot) if (mayBeRelay(stream.caller)) yield stream
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

  /** The same for relays: while this service hears of the ends of keys, it says so. */
  #relayHeartbeat(): EventBytes {
    const count = this.#keysCount()
    return count === null || this.#cutOffMs() !== null ? this.#heartbeat() : keysHeartbeat(count)
  }

  /** One slot's heartbeats. */
  #beatOnce(): void {
    const beat = this.#heartbeat()
    const relayBeat = this.#relayHeartbeat()
    this.#beat = (this.#beat + 1) % HEARTBEAT_SLOTS
    for (const stream of this.#slots[this.#beat] ?? []) {
      const { buffered } = stream.sink
      if (buffered > 0 && stream.stuck > 0 && buffered >= stream.stuck) this.#cut(stream)
      else {
        stream.stuck = buffered
        stream.sink.write(mayBeRelay(stream.caller) ? relayBeat : beat)
      }
    }
  }

  #cut(stream: Stream): void {
    this.#cutOff++
    this.#logger.warn('http', 'watcher_too_slow: a reader of the stream does not read and was cut off', { buffered_bytes: stream.sink.buffered })
    stream.sink.cut()
  }
}
