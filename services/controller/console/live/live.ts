import type { Context } from 'hono'
import { beginsToWait } from '#lib/http/admission.ts'
import { ApiError } from '#lib/http/errors.ts'
import { outgoingOf } from '#lib/http/outgoing.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { sessionOf } from '../session/guard.ts'
import type { Sessions } from '../session/sessions.ts'
import { LiveView } from './live-view.ts'

/** How many streams of the console are held at once. */
const MAX_STREAMS = 256

/** What keeps the pages of the console up to date: for each part that somebody looks at, one view that all who look share. */
export class Live {
  readonly #sessions: Pick<Sessions, 'byDigest'>
  readonly #logger: Logger
  readonly #refusal: (error: ApiError) => string
  readonly #views = new Map<string, LiveView>()
  #streams = 0
  #closed = false

  /** @param options.refusal what stands in the place of a part that cannot be shown: HTML */
  constructor(options: { readonly sessions: Pick<Sessions, 'byDigest'>; readonly logger: Logger; readonly refusal: (error: ApiError) => string }) {
    this.#sessions = options.sessions
    this.#logger = options.logger
    this.#refusal = options.refusal
  }

  /**
   * Answers with a stream of a part of a page: as it is now, and anew each time that it changes. It ends with the session.
   * What is rendered is the same for all who look, so nothing of a session may be in it.
   * @param name of the part; those who ask for the same share it
   * @throws ApiError OVERLOADED where too many look
   */
  stream(c: Context, name: string, render: () => Promise<string>): Response {
    // Nobody reads what HEAD would open, and nobody would end it.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    const { digest } = sessionOf(c)
    if (this.#streams >= MAX_STREAMS || this.#closed)
      throw new ApiError('OVERLOADED', `Cannot keep this page up to date: ${this.#streams} are kept up to date already; reload it to see how things are`, {
        headers: { 'Retry-After': '10' },
      })
    // A page that is open is no work in progress: it must not keep requests out.
    beginsToWait(outgoingOf(c))
    const view = this.#views.get(name) ?? new LiveView({ render, refusal: this.#refusal, logger: this.#logger })
    this.#views.set(name, view)
    this.#streams++
    const stream = view.open(
      () => this.#sessions.byDigest(digest) !== undefined,
      () => {
        this.#streams--
        if (view.isUnwatched && this.#views.get(name) === view) this.#views.delete(name)
      },
    )
    return c.body(stream, 200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' })
  }

  /** Ends all streams; the pages come back when the controller does. */
  close(): void {
    this.#closed = true
    for (const view of this.#views.values()) view.close()
  }
}
