import { Connection, type ConnectionOptions, type Use } from './connection.ts'

/** Unused connections kept for one origin, and for all: each is a file descriptor. */
const IDLE_PER_ORIGIN = 32
const IDLE_TOTAL = 256

/** Connections by origin, kept for the next request. */
export interface Connections {
  /** An unused connection, or a new one. */
  take(origin: string, url: URL, use: Use): Connection
  /** Gives it back: kept where it is still open, else closed. Its answer must have been read to the end. */
  release(connection: Connection): void
  /** Closes it: what the target still sends is not read. */
  discard(connection: Connection): void
  /** Closes all that is unused. */
  close(): Promise<void>
}

/** Keeps connections for reuse. */
export function createConnections(options: ConnectionOptions): Connections {
  const idle = new Map<string, Connection[]>()
  let idleCount = 0

  const forget = (connection: Connection): void => {
    const known = idle.get(connection.origin)
    const at = known?.indexOf(connection) ?? -1
    if (known === undefined || at === -1) return
    known.splice(at, 1)
    idleCount -= 1
    if (known.length === 0) idle.delete(connection.origin)
  }
  const discard = (connection: Connection): void => {
    connection.use = undefined
    void connection.close()
  }

  return {
    take: (origin, url, use) => {
      const known = idle.get(origin)
      // The one used last: the others can grow old and close.
      const connection = known?.pop()
      if (known === undefined || connection === undefined) return new Connection(origin, url, use, options, forget)
      if (known.length === 0) idle.delete(origin)
      idleCount -= 1
      connection.use = use
      return connection
    },
    release: (connection) => {
      const known = idle.get(connection.origin)
      if (!connection.isOpen || (known?.length ?? 0) >= IDLE_PER_ORIGIN || idleCount >= IDLE_TOTAL) return discard(connection)
      connection.use = undefined
      if (known === undefined) idle.set(connection.origin, [connection])
      else known.push(connection)
      idleCount += 1
    },
    discard,
    close: async () => {
      const connections = [...idle.values()].flat()
      idle.clear()
      idleCount = 0
      await Promise.all(connections.map((connection) => connection.close()))
    },
  }
}
