/**
 * First words of Redis' answers that say it cannot serve now, whatever it is asked (`src/server.c`, shared objects).
 * In a script's error before Redis 7 the word stands in the middle, after a dash.
 */
const cannotServe =
  /(?:^|-)(?:LOADING|MISCONF|OOM|READONLY|BUSY|UNKILLABLE|UNBLOCKED|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|NOAUTH|WRONGPASS|DENIED|ERR max number of clients)\b/

/** What ioredis rejects with where it could not send a command; with the offline queue off, nothing of it left this process. */
const neverSent = /Stream isn't writeable|Cluster isn't ready/

/** What ioredis rejects with where a connection broke or hangs, and where none could be made; its errors have no codes of their own. */
const broken =
  /Connection is closed|Command timed out|Socket timeout|max retries per request|aborted due to connection close|connect ETIMEDOUT|All sentinels are unreachable|Failed to refresh slots cache|None of startup nodes|Too many Cluster redirections|Cluster is ended/

/** Whether Redis itself answered with this error. */
const isReply = (error: Error): boolean => error.name === 'ReplyError'

/** Whether an error of Node's sockets or resolver: ECONNREFUSED, EPIPE, ENOTFOUND. */
const isSystemError = (error: Error): boolean => 'code' in error && typeof error.code === 'string' && /^E[A-Z_]+$/.test(error.code)

/**
 * Whether an error means that Redis is away: not reached, silent, or unable to serve whatever it is asked. All
 * others (a key of another type, a stored value that cannot be read, a fault of ours) come again however often
 * the command is repeated, and say nothing of the others.
 */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  // A transaction that was not begun says why in here.
  if ('previousErrors' in error && Array.isArray(error.previousErrors) && error.previousErrors.some(isAway)) return true
  if (isReply(error)) return cannotServe.test(error.message)
  return isSystemError(error) || error.name === 'ParserError' || neverSent.test(error.message) || broken.test(error.message)
}

/**
 * Whether the command that failed with this certainly did nothing.
 * @param sentOnce whether it went out at most once: ioredis sends what was under way again after a loss of the
 *   connection, so that an error may answer the second sending while the first one was carried out
 */
export const didNothing = (error: unknown, sentOnce: boolean): boolean =>
  error instanceof Error && (neverSent.test(error.message) || (sentOnce && isReply(error) && cannotServe.test(error.message)))

/** What an outage is told: of a command that was not even sent that there is no connection, and of a Cluster what its last node said. */
export function awayReason(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if ('lastNodeError' in error && error.lastNodeError instanceof Error) return error.lastNodeError
  return neverSent.test(error.message) ? new Error('it is not connected') : error
}

/** A hit was handed to Redis, and it is not known whether it lies there now. */
export class MaybeQueuedError extends Error {
  override readonly name = 'MaybeQueuedError'
  /** @param cause what the command failed with */
  constructor(cause: unknown) {
    super('The hit may be in the queue', { cause })
  }
}
