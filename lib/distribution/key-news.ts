import { type EventBytes, eventBytes } from '../http/event-sink.ts'

/**
 * What relays are told on their streams when a key was revoked or has expired: `: key-ended ID`. A comment is nothing to
 * readers that do not know it, so older relays and agents are not disturbed.
 */
export const keyEndedComment = (keyId: string): EventBytes => eventBytes(`: key-ended ${keyId}\n\n`)

/** The id of the key that a comment says is accepted no longer; null where it says nothing of the kind. */
export const endedKeyOf = (comment: string): string | null => /^ ?key-ended ([\x21-\x7e]{1,64})$/.exec(comment)?.[1] ?? null

/**
 * The heartbeat of a stream on which the end of each key is told: `: keys COUNT`.
 * @param count changes where some may have been missed, as after a relay has lost its own stream
 */
export const keysHeartbeat = (count: number): EventBytes => eventBytes(`: keys ${count}\n\n`)

/** The count of such a heartbeat; null where it is another. */
export function keysCountOf(comment: string): number | null {
  const count = /^ ?keys (\d{1,15})$/.exec(comment)?.[1]
  return count === undefined ? null : Number(count)
}
