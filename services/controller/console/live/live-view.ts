import { ApiError } from '#lib/http/errors.ts'
import type { Logger } from '#lib/observe/logger.ts'

/** How often a part that somebody looks at is looked at anew, in ms. */
const LOOK_MS = 500
/** After how long without a change a comment says that the stream is alive, in ms. */
const HEARTBEAT_MS = 15_000

/** One who looks. */
interface Watcher {
  /** What it was sent last. */
  sent: string | undefined
  /** Set while it waits for something new. */
  wake: (() => void) | undefined
  sentAt: number
  over: boolean
  readonly mayLook: () => boolean
}

/** Text as the data of one event (WHATWG HTML, section 9.2.6). */
const asEvent = (html: string): string => `data: ${html.replaceAll('\r', '').replaceAll('\n', '\ndata: ')}\n\n`

/**
 * A part of a page, rendered at most twice a second and only while somebody looks, once for all who do. Whoever reads
 * slowly misses what was overtaken, and holds up nobody.
 */
export class LiveView {
  readonly #render: () => Promise<string>
  readonly #refusal: (error: ApiError) => string
  readonly #logger: Logger
  readonly #watchers = new Set<Watcher>()
  #html: string | undefined
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #failing = false

  /** @param options.refusal what is shown where that is refused */
  constructor(options: { readonly render: () => Promise<string>; readonly refusal: (error: ApiError) => string; readonly logger: Logger }) {
    this.#render = options.render
    this.#refusal = options.refusal
    this.#logger = options.logger
  }

  /** Whether nobody looks. */
  get isUnwatched(): boolean {
    return this.#watchers.size === 0
  }

  /**
   * A stream of server-sent events for one who looks.
   * @param mayLook asked at each look: whether its session is still one
   * @param onEnd called once, when it has ended
   */
  open(mayLook: () => boolean, onEnd: () => void): ReadableStream<Uint8Array<ArrayBuffer>> {
    const watcher: Watcher = { sent: undefined, wake: undefined, sentAt: performance.now(), over: false, mayLook }
    const encoder = new TextEncoder()
    const end = () => {
      if (!this.#watchers.delete(watcher)) return
      if (this.isUnwatched) this.#stop()
      onEnd()
    }
    this.#watchers.add(watcher)
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS).unref()
    void this.#look()
    return new ReadableStream(
      {
        pull: async (controller) => {
          while (!watcher.over && (this.#html === undefined || this.#html === watcher.sent) && performance.now() - watcher.sentAt < HEARTBEAT_MS)
            await new Promise<void>((resolve) => {
              watcher.wake = resolve
            })
          if (watcher.over) {
            if (!watcher.mayLook()) controller.enqueue(encoder.encode('event: session-over\ndata: \n\n'))
            controller.close()
            end()
            return
          }
          const isNew = this.#html !== undefined && this.#html !== watcher.sent
          watcher.sent = this.#html
          watcher.sentAt = performance.now()
          controller.enqueue(encoder.encode(isNew ? asEvent(watcher.sent ?? '') : ':\n\n'))
        },
        cancel: () => {
          watcher.over = true
          watcher.wake?.()
          end()
        },
      },
      // Nothing is made ahead: what waits would be old when it is read.
      { highWaterMark: 0 },
    )
  }

  /** Looks now. */
  hurry(): void {
    void this.#look()
  }

  /** Ends all streams. */
  close(): void {
    for (const watcher of this.#watchers) this.#wake(watcher, true)
    this.#stop()
  }

  async #look(): Promise<void> {
    for (const watcher of this.#watchers) if (!watcher.mayLook()) this.#wake(watcher, true)
    if (this.#looking || this.isUnwatched) return
    this.#looking = true
    try {
      this.#html = await this.#render()
      this.#failing = false
    } catch (error) {
      // Who looks is told: what stands there is old. What nobody foresaw is for the log, once, and is tried again.
      if (error instanceof ApiError) this.#html = this.#refusal(error)
      else if (!this.#failing) this.#logger.warn('http', 'a part of the console cannot be brought up to date', { err: error })
      this.#failing = true
    } finally {
      this.#looking = false
    }
    const now = performance.now()
    for (const watcher of this.#watchers) if (this.#html !== watcher.sent || now - watcher.sentAt >= HEARTBEAT_MS) this.#wake(watcher, watcher.over)
  }

  #wake(watcher: Watcher, over: boolean): void {
    watcher.over = over
    const { wake } = watcher
    watcher.wake = undefined
    wake?.()
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
