import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import {
  type Address,
  type AddressRange,
  embeddedAddresses,
  inRange,
  isGlobalUnicast,
  isLoopback,
  isNat64,
  isUnspecified,
  parseAddress,
  parseRange,
  sameAddress,
} from './address.ts'

/** Which targets a worker takes: every one, global unicast only, or that and the CIDR ranges that are named. */
export type TargetPolicy = 'any' | 'public' | { readonly publicAnd: readonly string[] }

/** Where this worker listens. */
export interface Listener {
  /** As the socket says it: `127.0.0.1`, `::`. */
  readonly address: string
  readonly port: number
}

/** Why a target is refused, for people. Never holds an address that the caller did not write. */
export type Refusal = string

/** Decides where hits may go. Pure decisions: it resolves nothing and opens nothing. */
export interface Guard {
  /** Judges a URL by what it says itself: scheme, credentials, an address written into it. Undefined: not refused. */
  checkUrl(url: URL): Refusal | undefined
  /** Judges an address that a name resolved to, or that a socket is connected to. Undefined: not refused. */
  checkAddress(address: string, port: number): Refusal | undefined
}

/** How a guard decides. */
export interface GuardOptions {
  readonly targets: TargetPolicy
  /** Asked at each decision, since a worker listens only after it was built. */
  ownListeners(): readonly Listener[]
  /** The machine's own addresses; those of its network interfaces where absent. */
  localAddresses?(): readonly string[]
}

/** Where a cloud answers a machine with credentials, beside the link-local addresses that all refuse. */
const metadataAddresses = ['100.100.100.200', '168.63.129.16', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254'].flatMap((text) => {
  const range = parseRange(text)
  return range === undefined ? [] : [range]
})

/** How long the list of interfaces is believed: asking the system costs more than all else here. */
const INTERFACES_TTL_MS = 1000

/** Lists the machine's addresses, asking the system at most once a second. */
function interfaceAddresses(): () => readonly string[] {
  let known: { readonly at: number; readonly addresses: readonly string[] } | undefined
  return () => {
    const now = performance.now()
    if (known === undefined || now - known.at > INTERFACES_TTL_MS) {
      const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
      known = { at: now, addresses }
    }
    return known.addresses
  }
}

/** Addresses whose judgement is remembered. */
const REMEMBERED = 1024

/** What is always the same about an address. */
interface Judged {
  /** Itself, and the IPv4 addresses that it carries. */
  readonly forms: readonly Address[]
  readonly refusal: Refusal | undefined
}

/** What no policy lets through. */
function refusedAlways(address: Address): Refusal | undefined {
  const range = address.range()
  if (range === 'linkLocal') return 'is a link-local address, where clouds serve credentials'
  if (metadataAddresses.some((metadata) => inRange(address, metadata))) return 'is a metadata address, where clouds serve credentials'
  if (range === 'unspecified' || range === 'multicast' || range === 'broadcast') return 'is not the address of one host'
  return undefined
}

/** Reads the exceptions of a policy. @throws TypeError for one that is no CIDR range */
function exceptionsOf(targets: TargetPolicy): readonly AddressRange[] {
  if (targets === 'any' || targets === 'public') return []
  return targets.publicAnd.map((text) => {
    const range = parseRange(text)
    if (range === undefined) throw new TypeError(`Cannot allow targets in "${text}": expected a CIDR range such as 10.0.0.0/8 or fd00::/8`)
    return range
  })
}

/** The host of a URL as it is resolved: without brackets. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '')

/** The port of a URL, or its scheme's. */
export const portOf = (url: URL): number => (url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port))

/**
 * Makes the guard that every request and every hop of it passes.
 *
 * Refused whatever the policy: other schemes than http and https, credentials in the URL, link-local and
 * metadata addresses, what is no single host (unspecified, multicast, broadcast), and this worker's own listeners by any
 * address of this machine. An IPv6 address that carries an IPv4 one is judged by both.
 * @throws TypeError where an exception of the policy is no CIDR range
 */
export function createGuard(options: GuardOptions): Guard {
  const exceptions = exceptionsOf(options.targets)
  const localAddresses = options.localAddresses ?? interfaceAddresses()

  const isThisMachine = (address: Address): boolean =>
    isLoopback(address) ||
    isUnspecified(address) ||
    localAddresses().some((text) => {
      const local = parseAddress(text)
      return local !== undefined && sameAddress(local, address)
    })

  const permitted = (address: Address): boolean => options.targets === 'any' || isGlobalUnicast(address) || exceptions.some((range) => inRange(address, range))

  /** Judges an address by itself, whatever the port and wherever this worker listens: the same each time. */
  const judge = (text: string): Judged => {
    const address = parseAddress(text)
    if (address === undefined) return { forms: [], refusal: 'does not resolve to an IP address' }
    const embedded = embeddedAddresses(address)
    const forms = [address, ...embedded]
    for (const form of forms) {
      const refusal = refusedAlways(form)
      if (refusal !== undefined) return { forms, refusal }
    }
    const allowed = (isNat64(address) ? embedded : forms).every((form) => permitted(form))
    return { forms, refusal: allowed ? undefined : 'is not a public address, and HIT_TARGETS does not allow it' }
  }
  const known = new Map<string, Judged>()
  const judged = (text: string): Judged => {
    const seen = known.get(text)
    if (seen !== undefined) return seen
    const made = judge(text)
    if (known.size >= REMEMBERED) known.clear()
    known.set(text, made)
    return made
  }

  const checkAddress = (text: string, port: number): Refusal | undefined => {
    const { forms, refusal } = judged(text)
    const own = options.ownListeners().some((listener) => listener.port === port) && forms.some((form) => isThisMachine(form))
    return own ? 'is an address of this worker itself' : refusal
  }

  const checkUrl = (url: URL): Refusal | undefined => {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return `is a ${url.protocol} URL; only http: and https: are requested`
    if (url.username !== '' || url.password !== '') return 'has credentials in its URL; put them into a header of data.request'
    const host = hostOf(url)
    return isIP(host) === 0 ? undefined : checkAddress(host, portOf(url))
  }

  return { checkUrl, checkAddress }
}
