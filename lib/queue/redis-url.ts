/** One host of a URL. */
export interface RedisHost {
  /** A name or an address; an IPv6 address without its brackets. */
  readonly host: string
  readonly port: number
}

/** What a URL says of where Redis is, and how it is reached. */
export interface RedisAddress {
  /** One Redis; the sentinels that know which Redis is the master; or some of the nodes of a Redis Cluster. */
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly tls: boolean
  /** At least one; of a single Redis exactly one. */
  readonly hosts: readonly [RedisHost, ...RedisHost[]]
  /** The master's name at the sentinels; absent for the other kinds. */
  readonly master?: string
  /** Of the hosts of this URL: of the Redis, of the nodes, or of the sentinels themselves. */
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** The forms, as people are told of them. */
export const REDIS_URL_FORMS =
  'redis://host:6379, sentinel://host:26379,host:26379/master-name or cluster://host:6379,host:6379, each with rediss, sentinels or clusters for TLS, and with user:password@ before the hosts where they want it'

const kinds = { redis: 'single', rediss: 'single', sentinel: 'sentinel', sentinels: 'sentinel', cluster: 'cluster', clusters: 'cluster' } as const
const tlsSchemes = new Set(['rediss', 'sentinels', 'clusters'])
const isScheme = (scheme: string): scheme is keyof typeof kinds => Object.hasOwn(kinds, scheme)

/** Where a host is given without a port. */
const DEFAULT_PORT = { single: 6379, sentinel: 26_379, cluster: 6379 } as const

function parseHost(text: string, kind: RedisAddress['kind']): RedisHost {
  const { host6, name, port } = /^(?:\[(?<host6>[0-9a-fA-F:.]+)\]|(?<name>[^\s:[\]]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups ?? {}
  const host = host6 ?? name
  const number = port === undefined ? DEFAULT_PORT[kind] : Number(port)
  if (host === undefined || number < 1 || number > 65_535) throw new Error('must name each host as host:port, with a port from 1 to 65535')
  return { host, port: number }
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined || text === '' ? undefined : decodeURIComponent(text)
  } catch {
    throw new Error('must have special characters of user and password written as %XX, a % itself as %25')
  }
}

/**
 * Reads a URL of one of the {@link REDIS_URL_FORMS}. A path is used by the sentinel forms only: which database is asked is said
 * elsewhere.
 * @throws Error whose message goes on from the name of a variable, `must …`, and repeats nothing of the URL
 */
export function parseRedisUrl(url: string): RedisAddress {
  const {
    scheme = '',
    credentials,
    hosts = '',
    path = '',
  } = /^(?<scheme>[a-z]+):\/\/(?:(?<credentials>[^/]*)@)?(?<hosts>[^/?#@]+)(?:\/(?<path>[^?#]*))?$/.exec(url)?.groups ?? {}
  if (!isScheme(scheme)) throw new Error(`must be ${REDIS_URL_FORMS}`)
  const kind = kinds[scheme]
  const [first = '', ...rest] = hosts.split(',')
  if (kind === 'single' && rest.length > 0) throw new Error('must name one host; several are for sentinel:// and cluster://')
  if (kind === 'sentinel' && !/^[\w.-]+$/.test(path)) throw new Error('must name the master after the sentinels, as in sentinel://host:26379/mymaster')
  const [user, ...password] = credentials?.split(':') ?? []
  return {
    kind,
    tls: tlsSchemes.has(scheme),
    hosts: [parseHost(first, kind), ...rest.map((host) => parseHost(host, kind))],
    ...(kind === 'sentinel' ? { master: path } : {}),
    username: decode(user),
    password: decode(password.join(':')),
  }
}
