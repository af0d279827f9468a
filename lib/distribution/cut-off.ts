import { type EventBytes, eventBytes } from '../http/event-sink.ts'

/**
 * What a relay whose controller is out of reach says in place of a plain heartbeat: `: cut-off SECONDS`. A comment is
 * nothing to readers of a stream that do not know it, so the protocol stays what it was.
 * @param ms for how long
 */
export const cutOffComment = (ms: number): EventBytes => eventBytes(`: cut-off ${Math.round(ms / 1000)}\n\n`)

/** For how long the relay that sent a comment has not reached its controller, in ms; null where it does not say so. */
export function cutOffOf(comment: string): number | null {
  const seconds = /^ ?cut-off (\d{1,10})$/.exec(comment)?.[1]
  return seconds === undefined ? null : Number(seconds) * 1000
}
