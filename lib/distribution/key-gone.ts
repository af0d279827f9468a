import { type EventBytes, eventBytes } from '../http/event-sink.ts'

const prefix = ' key-gone '

/**
 * The comment of a stream by which a controller tells relays that a key is not accepted any more. A comment, so that readers
 * that know nothing of it take it for a heartbeat.
 * @param keyId of the key, which is no secret
 */
export const keyGoneComment = (keyId: string): EventBytes => eventBytes(`:${prefix}${keyId}\n\n`)

/** The key that a comment tells of; undefined where it tells of none. */
export function keyGoneOf(comment: string): string | undefined {
  const text = comment.startsWith(' ') ? comment : ` ${comment}`
  return text.startsWith(prefix) && /^[\w-]{1,64}$/.test(text.slice(prefix.length)) ? text.slice(prefix.length) : undefined
}
