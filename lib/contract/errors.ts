import { z } from 'zod'

/** What a code means to the person who meets it; docs/errors.md is made from this table. */
export interface ErrorInfo {
  /** The HTTP status it always comes with. */
  readonly status: 400 | 401 | 403 | 404 | 405 | 408 | 409 | 412 | 413 | 415 | 429 | 431 | 500 | 503
  /** What happened. */
  readonly what: string
  /** What to do about it. */
  readonly fix: string
}

/**
 * The closed list of error codes: whatever a service refuses, it says with one of these. A code is never
 * renamed and never changes its status, since scripts branch on it.
 */
export const errorTable = {
  INVALID_REQUEST: {
    status: 400,
    what: 'A part of the request does not have the form the route needs. `error.details` names the path of each part and what was wanted. JSON that could not be stored exactly as it was sent is refused too: nested deeper than 64, a number that a double cannot hold, a key given twice, a `__proto__` key, half a surrogate pair.',
    fix: 'Correct the named parts and send the request again. Large numbers belong in strings.',
  },
  INVALID_VERSION: {
    status: 400,
    what: 'The version in the path of `GET /config/:version`, or in the query of `GET /configs/diff`, is not a number.',
    fix: 'Ask for a whole number from 1, as in `GET /config/7`; `GET /config` gives the latest.',
  },
  SCHEMA_VIOLATION: {
    status: 400,
    what: 'The config does not meet the config schema that is in force. `error.details` names the path of each part and what the schema wants there.',
    fix: 'Correct the named parts; `GET /config/schema` shows the schema, and `POST /config?dry_run=true` tries a config without publishing it.',
  },
  INVALID_SCHEMA: {
    status: 400,
    what: 'The config schema cannot be put in force: it is no valid JSON Schema of draft 2020-12, or checking the latest config by it took more time or memory than it may.',
    fix: 'Correct what `error.details` names. A pattern that takes for ever is best written without nested repetition.',
  },
  UNAUTHORIZED: {
    status: 401,
    what: 'The request carries no API key.',
    fix: 'Send the key as `X-API-Key: KEY` or `Authorization: Bearer KEY`.',
  },
  FORBIDDEN: {
    status: 403,
    what: 'The request carries an API key that this service does not know.',
    fix: 'Compare the key with `API_KEY` (controller) or `WORKER_API_KEY` (worker) of the service you call.',
  },
  NOT_PERMITTED: {
    status: 403,
    what: 'The key is known, and may not do this: its role does not reach that far, or the agent belongs to a key of another name.',
    fix: 'Use a key whose role may; the table of roles is in docs/keys.md. An agent that is to change hands is deleted first by an admin, or its key revoked.',
  },
  FORBIDDEN_ORIGIN: {
    status: 403,
    what: 'A service without a key of its own was called in a way that a web page could: a foreign `Origin`, `Sec-Fetch-Site: cross-site`, or a `Host` that is neither loopback nor in `ALLOWED_HOSTS`.',
    fix: 'Give the service a key of its own (`API_KEY`, `WORKER_API_KEY`), or add the name it is called by to `ALLOWED_HOSTS`.',
  },
  NOT_FOUND: {
    status: 404,
    what: 'There is nothing at this address: an unknown route, a config version that does not exist, no config yet, or a task that never was or whose hour is over.',
    fix: 'Compare the path with `/docs` of the service. Where no config is there yet, publish one. The result of a hit is kept for one hour.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    what: 'The route exists, but not for this method.',
    fix: 'Use one of the methods that the `Allow` header of the answer lists.',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    what: 'The headers or the body of the request did not arrive in time; the connection is closed.',
    fix: 'Send the whole request at once. A proxy in between may be holding it back.',
  },
  STALE_VERSION: {
    status: 409,
    what: 'A config was sent to the worker with `?if_newer=true`, and the worker had accepted a newer version that way.',
    fix: 'Nothing, where this is a late retry. To go back on purpose and count from there, send it with `if_newer=false`; to set it once and count on as before, without `if_newer`.',
  },
  RELAY_LOOP: {
    status: 409,
    what: 'A relay was asked to follow itself, directly or by way of other relays: the request has passed it before, as `X-Relay-Path` says.',
    fix: 'Set `CONTROLLER_URL` of one of the relays that the message names to the controller, or to a relay nearer to it.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 409,
    what: 'This `Idempotency-Key` came with another request less than a day ago: nothing was published.',
    fix: 'Use a new `Idempotency-Key` for each change, and the same one only to repeat it.',
  },
  HIT_UNFINISHED: {
    status: 409,
    what: 'A hit was to be run again that has not ended yet: it is still queued, runs, or waits for its next attempt.',
    fix: 'Wait for its end (`GET /hit/TASK_ID?wait=SECONDS`); then it can be run again.',
  },
  VERSION_CONFLICT: {
    status: 412,
    what: 'Somebody published between your reading and your publishing: `If-Match` is not the latest version.',
    fix: 'Read the latest config, apply your change to it, and publish with its version in `If-Match`.',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    what: 'The body of the request, or the config in it, is larger than the service takes.',
    fix: 'Make it smaller, or raise `MAX_CONFIG_BYTES` on controller, agents and workers alike.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    what: 'The body is declared as something other than JSON, or is compressed.',
    fix: 'Send JSON with `Content-Type: application/json` (or none) and without `Content-Encoding`.',
  },
  BACKLOG_FULL: {
    status: 429,
    what: 'As many hits as `HIT_MAX_BACKLOG` allows wait already, so this one was not queued.',
    fix: 'Try again after `Retry-After` seconds. `GET /hits/stats` says how many wait, whether the queue is paused, and which destinations do not answer.',
  },
  TOO_MANY_ATTEMPTS: {
    status: 429,
    what: 'Too many wrong keys came from this address, so keys that were not used from it before are not looked at for a while.',
    fix: 'Try again after `Retry-After` seconds with the right key. Behind a proxy, name it in `TRUSTED_PROXIES`: else all its clients are one address.',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    what: 'The headers of the request are larger than 16 KiB together.',
    fix: 'Send fewer or shorter headers.',
  },
  INTERNAL: {
    status: 500,
    what: 'Something happened that was not foreseen. The answer holds nothing of the inside; the log of the service does, under the same request id.',
    fix: 'Look in the log of the service for the `request_id` of the answer, and report what you find.',
  },
  ENQUEUE_FAILED: {
    status: 500,
    what: 'The worker has nothing to hit: it holds no config, or the config has no `url`.',
    fix: 'Publish a config with a `url` in its `data`, and look at `/status` of the agent for whether it has reached this worker.',
  },
  RESULT_FETCH_FAILED: {
    status: 500,
    what: 'The store that holds hits and their results cannot be reached, so it is not known whether the task exists, nor how hits stand.',
    fix: 'Ask again later; `/health` of the worker says what is wrong with its queue.',
  },
  QUEUE_UNAVAILABLE: {
    status: 503,
    what: 'The hit was not accepted, or what was to be changed about hits was not changed, since the queue cannot be reached or cannot write. The message says which: nothing was done, or the reply is missing and it may have been done.',
    fix: 'Try again after `Retry-After` seconds, with the same `Idempotency-Key`: it makes a retry safe where the hit may have been queued. `/health` of the worker says what is wrong: is Redis up, is the disk full?',
  },
  STORE_UNAVAILABLE: {
    status: 503,
    what: 'The database cannot be read or written, so nothing was changed.',
    fix: 'Try again after `Retry-After` seconds. The log says why: a full disk, a file without write permission.',
  },
  OVERLOADED: {
    status: 503,
    what: 'The service has more requests in progress, more new connections a second, or more configs to check by the config schema, than it takes, or makes a backup already: it answers some rather than none. Nothing was done.',
    fix: 'Try again after `Retry-After` seconds; our agents do so by themselves. Where it lasts, put relays between, or raise `MAX_REQUESTS_IN_PROGRESS` and `MAX_NEW_CONNECTIONS_PER_SECOND`.',
  },
  UPSTREAM_UNAVAILABLE: {
    status: 503,
    what: 'A relay needs its controller for this answer (to check a key it has not seen, or to read what it does not hold) and cannot reach it. Keys that it knew and the latest config that it holds are served on.',
    fix: 'Try again after `Retry-After` seconds. `/status` of the relay says why it cannot reach its controller.',
  },
  NOT_READY: {
    status: 503,
    what: 'The service is alive, but something that it needs to do its work is missing; `error.details` names it.',
    fix: 'Wait for it or repair what `error.details` names.',
  },
} as const satisfies Record<string, ErrorInfo>

/** One of the closed list of error codes. */
export type ErrorCode = keyof typeof errorTable

/** Whether a string is one of the closed list. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorTable, code)

/** The closed list as a schema. */
export const ErrorCodeSchema = z.enum(Object.keys(errorTable).filter(isErrorCode)).meta({ id: 'ErrorCode', example: 'INVALID_REQUEST' })
