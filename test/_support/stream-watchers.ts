import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const REQUEST = 'GET /config/stream HTTP/1.1\r\nHost: localhost\r\nX-API-Key: default-api-key\r\n\r\n'
/** The longest piece of an event's beginning that two chunks may part. */
const BEGINNING = 64

/** A reader of `/config/stream` on a bare socket: it notes which versions begin to arrive, and keeps nothing else. */
export interface StreamWatcher {
  readonly socket: Socket
  /** In the order in which they came. */
  readonly versions: number[]
}

/** Many readers of a controller's stream. */
export class StreamWatchers implements Disposable {
  readonly all: readonly StreamWatcher[]
  /** Called with each version that begins to arrive somewhere. */
  onVersion: (version: number) => void = () => {}

  private constructor(sockets: readonly Socket[]) {
    this.all = sockets.map((socket) => {
      const watcher: StreamWatcher = { socket, versions: [] }
      let tail = ''
      socket.on('data', (chunk: Buffer) => {
        const text = tail + chunk.toString('latin1')
        let end = 0
        for (const found of text.matchAll(/id: (\d+)\nevent: config\n/g)) {
          end = found.index + found[0].length
          watcher.versions.push(Number(found[1]))
          this.onVersion(Number(found[1]))
        }
        tail = text.slice(Math.max(end, text.length - BEGINNING))
      })
      return watcher
    })
  }

  /** Connects `count` readers and resolves when each has its answer's head. */
  static async connect(port: number, count: number): Promise<StreamWatchers> {
    const sockets = Array.from({ length: count }, () => beginStream(port))
    const begun = sockets.map((socket) => once(socket, 'data'))
    const watchers = new StreamWatchers(sockets)
    await Promise.all(begun)
    return watchers
  }

  /** How many have at least begun to get a version. */
  reached(version: number): number {
    return this.all.filter(({ versions }) => versions.includes(version)).length
  }

  [Symbol.dispose](): void {
    for (const { socket } of this.all) socket.destroy()
  }
}

/** Resolves when a socket is closed, by whatever: an end by reset is an end. */
export const closed = (socket: Socket): Promise<void> => new Promise((resolve) => void socket.once('close', () => resolve()))

/** Asks for the stream; whether and when to read is the caller's. */
export function beginStream(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.write(REQUEST)
  return socket
}
