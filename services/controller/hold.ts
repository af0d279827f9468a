import type { ServerResponse } from 'node:http'
import type { HeaderReader } from '#lib/http/auth.ts'
import { writeError } from '#lib/http/reply.ts'
import { requestIdFrom } from '#lib/http/request-id.ts'
import type { ConfigFeed, Snapshot } from './feed.ts'
import { type Held, holds, latestAnswer, shuttingDown } from './watch.ts'

/** Writes the answer to a read of the latest config by Node's own response. */
export function sendLatest(outgoing: ServerResponse, headers: HeaderReader, snapshot: Snapshot, held: Held): void {
  const answer = latestAnswer(headers, snapshot, held)
  outgoing.writeHead(answer.status, answer.headers)
  outgoing.end(answer.body, snapshot.encoding)
}

/**
 * Holds a long poll as nothing but its response, a timer and an entry in the hub, and writes the answer in the
 * turn in which the change is announced. The routes do the same through promises, a Context and signals, at twice
 * the time and memory for each watcher: with a thousand of them that is what the last one waits for.
 * @param current what the reader holds already
 */
export function holdUntilChanged(outgoing: ServerResponse, headers: HeaderReader, held: Held, feed: ConfigFeed, current: Snapshot, timeoutMs: number): void {
  const leave = () => {
    clearTimeout(timer)
    unsubscribe()
    outgoing.off('close', leave)
  }
  const timer = setTimeout(() => {
    leave()
    sendLatest(outgoing, headers, feed.current ?? current, held)
  }, timeoutMs)
  const unsubscribe = feed.hub.subscribe((snapshot) => {
    if (snapshot !== undefined && holds(held, snapshot)) return
    leave()
    if (snapshot === undefined) writeError(outgoing, requestIdFrom(headers.get('x-request-id')), shuttingDown())
    else sendLatest(outgoing, headers, snapshot, held)
  })
  // The client went away.
  outgoing.on('close', leave)
}
