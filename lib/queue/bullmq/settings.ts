import type { ClusterOptions, RedisOptions } from 'ioredis'
import { parseRedisUrl, type RedisAddress } from '../redis-url.ts'

/** Which Redis, and which of its databases. */
export interface RedisTarget {
  /** One of the forms of redis-url.ts; wins over host and port, and its credentials over those here, but for sentinels, whose own they are. */
  readonly url?: string | undefined
  readonly host: string
  readonly port: number
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** PEM: who may have signed the certificate of a Redis that is reached by TLS; where absent, whom Node.js trusts. */
  readonly ca?: string | undefined
  /** The database of the results; a Cluster has but one, and none is chosen there. */
  readonly db: number
  /** The database of the queue; results and queue may share one. */
  readonly queueDb: number
}

/** What we set; how replies are mapped stays as BullMQ expects it. */
export type ServerSettings = Omit<RedisOptions, 'replyMapping'>
export type ClusterSettings = Omit<ClusterOptions, 'redisOptions'> & {
  readonly redisOptions: Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>
}

/** A command that has not answered after this long fails, in ms: a Redis that hangs must not hang us. */
const COMMAND_TIMEOUT_MS = 1000

/**
 * A connection whose Redis owes an answer for this long is opened anew, in ms: nothing else would notice a peer that vanished
 * without a word. The last bound is that of BullMQ's blocking copy, which is silent for up to 10 s by design.
 */
export const SILENCE_MS = { command: 10_000, worker: 5000, blocking: 15_000 } as const

const retryStrategy = (times: number): number => Math.min(100 * times, 1000)

/** How long is waited for a connection, and what makes it worth a new one: a master that became a replica. */
const connecting: ServerSettings = { connectTimeout: 5000, retryStrategy, reconnectOnError: (error) => error.message.startsWith('READONLY') }

/**
 * For commands that somebody waits for: they fail at once while the connection is away, and within a second
 * where it hangs. (BullMQ's own default waits for ever.)
 */
export const impatient: ServerSettings = {
  ...connecting,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
  commandTimeout: COMMAND_TIMEOUT_MS,
  socketTimeout: SILENCE_MS.command,
}

/** For BullMQ's worker: commands wait for the connection, for as long as it takes. */
export const patient: ServerSettings = { ...connecting, maxRetriesPerRequest: null, socketTimeout: SILENCE_MS.worker }

/** For one try. */
export const single: ServerSettings = { connectTimeout: COMMAND_TIMEOUT_MS, retryStrategy: () => null, enableOfflineQueue: false }

/** Where a target is. */
export const addressOf = ({ url, host, port }: Pick<RedisTarget, 'url' | 'host' | 'port'>): RedisAddress =>
  url === undefined ? { kind: 'single', tls: false, hosts: [{ host, port }] } : parseRedisUrl(url)

/** The name of the target in log lines: without credentials. */
export function targetName(target: RedisTarget): string {
  const { kind, hosts, master } = addressOf(target)
  const names = hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(', ')
  if (kind === 'single') return `Redis at ${names}`
  return kind === 'cluster' ? `Redis Cluster at ${names}` : `Redis ${master} of the sentinels at ${names}`
}

/** What a server wants to know. */
export function credentials(target: RedisTarget, address: RedisAddress): Pick<RedisOptions, 'username' | 'password' | 'tls'> {
  // Those in a sentinels' URL are the sentinels' own.
  const { username, password } = address.kind === 'sentinel' ? {} : address
  const tls = target.ca === undefined ? {} : { ca: target.ca }
  return { username: username ?? target.username, password: password ?? target.password, ...(address.tls ? { tls } : {}) }
}

/** How to reach a Redis that is none of a Cluster, by itself or by its sentinels. */
export function serverSettings(target: RedisTarget, db: number, base: ServerSettings): ServerSettings {
  const address = addressOf(target)
  const options: ServerSettings = { ...base, ...credentials(target, address), db }
  if (address.kind === 'single') return { ...options, ...address.hosts[0] }
  return {
    ...options,
    name: address.master,
    sentinels: [...address.hosts],
    sentinelUsername: address.username,
    sentinelPassword: address.password,
    sentinelTLS: options.tls,
    enableTLSForSentinelMode: address.tls,
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
    sentinelRetryStrategy: retryStrategy,
    // They tell at once that another became the master, also where the old one hangs and its connections with it.
    failoverDetector: true,
    sentinelReconnectStrategy: retryStrategy,
  }
}

/** How to reach a Cluster: its nodes tell of each other. */
export function clusterSettings(target: RedisTarget, base: ServerSettings): ClusterSettings {
  const { retryStrategy: _, enableOfflineQueue = true, ...node } = base
  return {
    enableOfflineQueue,
    clusterRetryStrategy: retryStrategy,
    redisOptions: { ...node, ...credentials(target, addressOf(target)) },
    // Names stay names: a certificate is made out to them.
    dnsLookup: (name, done) => done(null, name),
  }
}
