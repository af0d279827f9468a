import type { ServerResponse } from 'node:http'
import type { HeaderReader } from '../http/auth.ts'
import type { ApiError } from '../http/errors.ts'
import { forgetHeaders } from '../http/event-sink.ts'
import { writeError } from '../http/reply.ts'
import { requestIdFrom } from '../http/request-id.ts'
import type { ConfigFeed, Snapshot } from './feed.ts'
import { type Answer, type Held, holds, latestAnswer, newsAnswer, shuttingDown } from './watch.ts'

/** Writes an answer by Node's own response. */
function send(outgoing: ServerResponse, answer: Answer, encoding: Snapshot['encoding']): void {
  outgoing.writeHead(answer.status, answer.headers)
  outgoing.end(answer.body, encoding)
}

/** Answers a read of the latest config by Node's own response. */
export const sendLatest = (outgoing: ServerResponse, headers: HeaderReader, snapshot: Snapshot, held: Held): void =>
  send(outgoing, latestAnswer(headers, snapshot, held), snapshot.encoding)

const noId: HeaderReader = { get: () => null }

/** What an answer needs of a request's headers, without the rest of them: its id, which hardly any has. */
function idReader(headers: HeaderReader): HeaderReader {
  const id = headers.get('x-request-id')
  return id === null ? noId : { get: (name) => (name === 'x-request-id' ? id : null) }
}

/**
 * Holds a long poll as nothing but its response and an entry each in the hub and the deadlines, and writes the answer in the
 * turn in which the change is announced. The routes do the same through promises, a Context and signals, at twice
 * the time and memory for each watcher: with a thousand of them that is what the last one waits for.
 * @param current what the reader holds already
 * @param attach takes what ends it before there is news, and gives what is called once when it is over
 */
export function holdUntilChanged(
  outgoing: ServerResponse,
  headers: HeaderReader,
  held: Held,
  feed: ConfigFeed,
  current: Snapshot,
  timeoutMs: number,
  attach: (end: (why: ApiError) => void) => () => void,
): void {
  const asked = idReader(headers)
  forgetHeaders(outgoing)
  let over = false
  const leave = () => {
    if (over) return
    over = true
    takeBack()
    unsubscribe()
    detach()
  }
  const takeBack = feed.deadlines.add(timeoutMs, () => {
    leave()
    sendLatest(outgoing, asked, feed.current ?? current, held)
  })
  const unsubscribe = feed.hub.subscribe((snapshot) => {
    if (snapshot !== undefined && holds(held, snapshot)) return
    leave()
    if (snapshot === undefined) writeError(outgoing, requestIdFrom(asked.get('x-request-id')), shuttingDown(feed))
    else send(outgoing, newsAnswer(asked, snapshot), snapshot.encoding)
  })
  const detach = attach((why) => {
    if (over) return
    leave()
    writeError(outgoing, requestIdFrom(asked.get('x-request-id')), why)
  })
  // The client went away, or was answered: taking the listener off would cost the others time.
  outgoing.on('close', leave)
}
