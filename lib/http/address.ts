import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import ipaddr from 'ipaddr.js'
import { list } from '../runtime/env.ts'
import { Recent } from '../runtime/recent.ts'

/** Says from which address a request comes. */
export type AddressReader = (incoming: IncomingMessage) => string

/** An address as it is shown and compared: without IPv4 mapped into IPv6; undefined where it is none. */
function normal(text: string): string | undefined {
  const bare = text.trim().replace(/^\[|\](?::\d+)?$/g, '')
  return ipaddr.isValid(bare) ? ipaddr.process(bare).toString() : undefined
}

/** Whether a text is an address or a network as 10.0.0.0/8. */
function isNetwork(text: string): boolean {
  return ipaddr.isValid(text) || ipaddr.isValidCIDR(text)
}

/** The proxies whose X-Forwarded-For is believed, as a variable names them. */
export const trustedProxies = () =>
  list().refine((entries) => entries.every(isNetwork), { error: 'must be addresses or networks parted by commas, as 10.0.0.0/8' })

function within(networks: readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[], address: string): boolean {
  const parsed = ipaddr.parse(address)
  return networks.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match([network, bits]))
}

const parseNetwork = (text: string): readonly [ipaddr.IPv4 | ipaddr.IPv6, number] => {
  if (text.includes('/')) return ipaddr.parseCIDR(text)
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/** Of how many peers the address is remembered: to parse it for each request would be a tenth of what a short one costs. */
const MAX_PEERS = 10_000

/**
 * Makes the reader. Behind proxies the address is that of whoever the last trusted one heard from: `X-Forwarded-For` is
 * read from its right end, since everything left of the first untrusted address may be made up.
 * @param trusted addresses and networks of the proxies that are believed; with none of them the header means nothing
 */
export function createAddressReader(trusted: readonly string[]): AddressReader {
  const networks = trusted.map(parseNetwork)
  const peers = new Recent<string, { readonly address: string; readonly isTrusted: boolean }>(MAX_PEERS)
  const peerOf = (raw: string) => {
    const address = normal(raw)
    return address === undefined ? { address: 'unknown', isTrusted: false } : { address, isTrusted: networks.length > 0 && within(networks, address) }
  }
  return (incoming) => {
    const raw = incoming.socket.remoteAddress ?? ''
    const { address: peer, isTrusted } = peers.getOr(raw, () => peerOf(raw))
    if (!isTrusted) return peer
    const header = incoming.headers['x-forwarded-for']
    const hops = (typeof header === 'string' ? header : '').split(',').map(normal)
    let address = peer
    for (const hop of hops.reverse()) {
      // What is no address was written by someone who is not to be believed.
      if (hop === undefined) break
      address = hop
      if (!within(networks, hop)) break
    }
    return address
  }
}

/** Node's own request that `c` serves; undefined where the runtime is not Node, or a test calls the app without a socket. */
export function incomingOf(c: Context): IncomingMessage | undefined {
  const env: unknown = c.env
  if (typeof env !== 'object' || env === null || !('incoming' in env)) return undefined
  const { incoming } = env
  return isIncoming(incoming) ? incoming : undefined
}

/** The address of the request that `c` serves; `unknown` where there is no socket. */
export function addressOf(c: Context, reader: AddressReader): string {
  const incoming = incomingOf(c)
  return incoming === undefined ? 'unknown' : reader(incoming)
}

/**
 * What stands for one client among addresses: an IPv4 address, and of IPv6 its first 64 bits, which one host has to itself
 * (RFC 6177): it may choose among 2^64 addresses there.
 */
export function clientOf(address: string): string {
  if (!address.includes(':')) return address
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv6
    ? `${parsed.parts
        .slice(0, 4)
        .map((part) => part.toString(16))
        .join(':')}::/64`
    : parsed.toString()
}

function isIncoming(value: unknown): value is IncomingMessage {
  return typeof value === 'object' && value !== null && 'socket' in value && 'headers' in value
}
