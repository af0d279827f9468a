import { Client } from 'undici'
import { type ConnectorOptions, openConnection } from './connector.ts'
import { HitFailure } from './failure.ts'
import { hostOf, portOf } from './guard.ts'
import type { Stopwatch } from './timings.ts'

/** How long an unused connection is kept where the target says nothing, and at most. */
const KEEP_ALIVE_MS = 4000
const KEEP_ALIVE_MAX_MS = 30_000
/** Unused connections kept for one origin, and for all: each is a file descriptor. */
const IDLE_PER_ORIGIN = 32
const IDLE_TOTAL = 256

/** The attempt on whose behalf a connection is used now. */
export interface Use {
  readonly watch: Stopwatch
  readonly signal: AbortSignal
}

/** A connection lent to one request. */
export interface Lease {
  readonly client: Client
  /** Gives it back: kept where its answer was read to the end and it is still open, else closed. */
  release(): void
  /** Closes it: what the target still sends is not read. */
  discard(): void
}

/** Connections by origin, one request on each at a time. */
export interface Connections {
  lease(url: URL, use: Use): Lease
  /** Closes all that is unused. */
  close(): Promise<void>
}

/** What connections are opened with. */
export interface ConnectionsOptions extends ConnectorOptions {
  /** How long the headers of an answer may be, in bytes. */
  readonly maxHeaderBytes: number
}

/**
 * Keeps connections for reuse.
 *
 * A client each and not undici's Pool, since a Pool does not say which request opens a connection: neither
 * its deadline nor its timings would reach the connector. HTTP/2 stays off: there, one connection
 * would carry several hits, and reading at most so much of one would mean ending all.
 */
export function createConnections(options: ConnectionsOptions): Connections {
  const idle = new Map<string, Client[]>()
  let idleCount = 0
  const uses = new WeakMap<Client, Use>()

  const forget = (origin: string, client: Client): void => {
    const clients = idle.get(origin)
    const at = clients?.indexOf(client) ?? -1
    if (clients === undefined || at === -1) return
    clients.splice(at, 1)
    idleCount -= 1
    if (clients.length === 0) idle.delete(origin)
  }

  const open = (url: URL, first: Use): Client => {
    const endpoint = { protocol: url.protocol, hostname: hostOf(url), port: portOf(url) }
    const client = new Client(url.origin, {
      allowH2: false,
      pipelining: 1,
      // The attempt's one deadline covers both; undici's own are per chunk, and coarse.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: options.maxHeaderBytes,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      connect: (_options, callback) => {
        const { watch, signal } = uses.get(client) ?? first
        openConnection(endpoint, options, watch, signal).then(
          // undici connects anew, at once and for ever, where it is given a destroyed socket.
          (socket) =>
            socket.destroyed
              ? callback(new HitFailure('connection_reset', 'the target closed the connection as soon as it was open'), null)
              : callback(null, socket),
          (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
        )
      },
    })
    client.on('disconnect', () => {
      forget(url.origin, client)
      // A client whose connection ended by itself while it was unused is of no use to anyone.
      if (!uses.has(client)) void client.destroy()
    })
    return client
  }

  const keep = (origin: string, client: Client): void => {
    const clients = idle.get(origin) ?? []
    if (!client.stats.connected || clients.length >= IDLE_PER_ORIGIN || idleCount >= IDLE_TOTAL) {
      void client.destroy()
      return
    }
    idle.set(origin, [...clients, client])
    idleCount += 1
  }

  const lease = (url: URL, use: Use): Lease => {
    // The one used last: the others can grow old and close.
    const known = idle.get(url.origin)?.at(-1)
    const client = known ?? open(url, use)
    if (known !== undefined) forget(url.origin, known)
    uses.set(client, use)
    return {
      client,
      release: () => {
        if (uses.delete(client)) keep(url.origin, client)
      },
      discard: () => {
        uses.delete(client)
        void client.destroy()
      },
    }
  }

  return {
    lease,
    close: async () => {
      const clients = [...idle.values()].flat()
      idle.clear()
      idleCount = 0
      await Promise.all(clients.map((client) => client.destroy()))
    },
  }
}
