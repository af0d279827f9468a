import { Redis, type RedisOptions } from 'ioredis'
import type { Outage } from '../outage.ts'

/** Which Redis, and which of its databases. */
export interface RedisTarget {
  /** `redis://` or `rediss://` (TLS), with host, port and credentials; a path in it is not used. Wins over host and port. */
  readonly url?: string
  readonly host: string
  readonly port: number
  readonly password?: string
  /** The database of the results. */
  readonly db: number
  /** The database of the queue; results and queue may share one. */
  readonly queueDb: number
}

/** What we set; how replies are mapped stays as BullMQ expects it. */
type Options = Omit<RedisOptions, 'replyMapping'>

/** A command that has not answered after this long fails, in ms: a Redis that hangs must not hang us. */
const COMMAND_TIMEOUT_MS = 1000

/**
 * A worker's connection whose Redis is silent for this long is opened anew, in ms: nothing else would notice a
 * peer that vanished without a word. The second bound is that of BullMQ's blocking copy, which is silent for
 * up to 10 s by design.
 */
const SILENCE_MS = { command: 5000, blocking: 15_000 } as const

const retryStrategy = (times: number): number => Math.min(100 * times, 1000)

/**
 * For commands that somebody waits for: they fail at once while the connection is away, and within a second
 * where it hangs. (BullMQ's own default waits for ever.)
 */
const impatient: Options = { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: COMMAND_TIMEOUT_MS, connectTimeout: 5000, retryStrategy }

/** For BullMQ's worker: commands wait for the connection, for as long as it takes. */
const patient: Options = { maxRetriesPerRequest: null, socketTimeout: SILENCE_MS.command, connectTimeout: 5000, retryStrategy }

/** The name of the target in log lines: without credentials. */
export function targetName({ url, host, port }: RedisTarget): string {
  return `Redis at ${url === undefined ? `${host}:${port}` : new URL(url).host}`
}

function address({ url, host, port, password }: RedisTarget): Options {
  if (url === undefined) return { host, port, password }
  const { protocol, hostname, port: urlPort, username, password: urlPassword } = new URL(url)
  const credentials = { username: decodeURIComponent(username) || undefined, password: decodeURIComponent(urlPassword) || password }
  // An IPv6 host stands in brackets in a URL, and without in a socket's address.
  const host6 = hostname.replace(/^\[(.*)\]$/, '$1')
  return { host: host6, port: urlPort === '' ? 6379 : Number(urlPort), ...credentials, tls: protocol === 'rediss:' ? {} : undefined }
}

/** Opens a connection for commands that somebody waits for. It connects in the background, and again after each loss. */
export function openClient(target: RedisTarget, db: number, outage: Outage): Redis {
  const client = new Redis({ ...address(target), ...impatient, db })
  client.on('error', (error: Error) => outage.down(error))
  return client
}

/** The worker's connection. BullMQ copies it for its blocking command; a copy that it cannot close by itself is closed here. */
export class WorkerRedis extends Redis {
  readonly #copies: Redis[] = []
  readonly #outage: Outage

  constructor(target: RedisTarget, outage: Outage) {
    super({ ...address(target), ...patient, db: target.queueDb })
    this.#outage = outage
    this.on('error', (error: Error) => outage.down(error))
  }

  override duplicate(override?: Partial<RedisOptions>): Redis {
    const copy = super.duplicate({ ...override, socketTimeout: SILENCE_MS.blocking })
    copy.on('error', (error: Error) => this.#outage.down(error))
    this.#copies.push(copy)
    return copy
  }

  /** Ends this connection and its copies at once, whatever state they are in. */
  endAll(): void {
    for (const client of [this, ...this.#copies]) client.disconnect()
  }
}
