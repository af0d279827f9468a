import { Client, type Dispatcher } from 'undici'
import { type ConnectorOptions, openConnection } from './connector.ts'
import type { Deadline } from './deadline.ts'
import { HitFailure } from './failure.ts'
import { hostOf, portOf } from './guard.ts'
import type { Stopwatch } from './timings.ts'

/** How long an unused connection is kept where the target says nothing, and at most. */
const KEEP_ALIVE_MS = 4000
const KEEP_ALIVE_MAX_MS = 30_000

/** The attempt on whose behalf a connection is used now. */
export interface Use {
  readonly watch: Stopwatch
  readonly deadline: Deadline
}

/** What connections are opened with. */
export interface ConnectionOptions extends ConnectorOptions {
  /** How long the headers of an answer may be, in bytes. */
  readonly maxHeaderBytes: number
}

/**
 * One connection, opened by its first request, one request on it at a time.
 *
 * A client each and not undici's Pool, since a Pool does not say which request opens a connection: neither
 * its deadline nor its timings would reach the connector. HTTP/2 stays off: there, one connection
 * would carry several hits, and reading at most so much of one would mean ending all.
 */
export class Connection {
  readonly origin: string
  /** Who uses it now; undefined while it lies unused. */
  use: Use | undefined
  readonly #client: Client

  /** @param onLost told when it ended while it was unused */
  constructor(origin: string, url: URL, first: Use, options: ConnectionOptions, onLost: (connection: Connection) => void) {
    this.origin = origin
    this.use = first
    const endpoint = { protocol: url.protocol, hostname: hostOf(url), port: portOf(url) }
    this.#client = new Client(origin, {
      allowH2: false,
      pipelining: 1,
      // The attempt's one deadline covers both; undici's own are per chunk, and coarse.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: options.maxHeaderBytes,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      connect: (_options, callback) => {
        const { watch, deadline } = this.use ?? first
        openConnection(endpoint, options, watch, deadline.signal).then(
          // undici connects anew, at once and for ever, where it is given a destroyed socket.
          (socket) =>
            socket.destroyed
              ? callback(new HitFailure('connection_reset', 'the target closed the connection as soon as it was open'), null)
              : callback(null, socket),
          (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
        )
      },
    })
    this.#client.on('disconnect', () => {
      if (this.use !== undefined) return
      onLost(this)
      void this.close()
    })
  }

  /** Whether it can carry another request. */
  get isOpen(): boolean {
    return this.#client.stats.connected
  }

  /** Sends a request; the handler is told what comes. */
  send(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#client.dispatch(request, handler)
  }

  /** Ends it, and what is under way on it. */
  close(): Promise<void> {
    return this.#client.destroy()
  }
}
