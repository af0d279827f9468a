import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import ipaddr from 'ipaddr.js'

/** Says from which address a request comes. */
export type AddressReader = (incoming: IncomingMessage) => string

/** How many addresses are remembered in the form that they are compared in. */
const MAX_KNOWN = 20_000

/** An address as it is shown and compared: without IPv4 mapped into IPv6; undefined where it is none. */
function normal(text: string): string | undefined {
  const bare = text.trim().replace(/^\[|\](?::\d+)?$/g, '')
  return ipaddr.isValid(bare) ? ipaddr.process(bare).toString() : undefined
}

/** Whether a text is an address or a network as 10.0.0.0/8. */
export function isNetwork(text: string): boolean {
  return ipaddr.isValid(text) || ipaddr.isValidCIDR(text)
}

function within(networks: readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[], address: string): boolean {
  const parsed = ipaddr.parse(address)
  return networks.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match([network, bits]))
}

const parseNetwork = (text: string): readonly [ipaddr.IPv4 | ipaddr.IPv6, number] => {
  if (text.includes('/')) return ipaddr.parseCIDR(text)
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/**
 * Makes the reader. Behind proxies the address is that of whoever the last trusted one heard from: `X-Forwarded-For` is
 * read from its right end, since everything left of the first untrusted address may be made up.
 * @param trusted addresses and networks of the proxies that are believed; with none of them the header means nothing
 */
export function createAddressReader(trusted: readonly string[]): AddressReader {
  const networks = trusted.map(parseNetwork)
  // Asked for each request of whole fleets, and parsing one is a tenth of what a short request costs.
  const known = new Map<string, string | undefined>()
  const peerOf = (text: string): string | undefined => {
    if (known.has(text)) return known.get(text)
    if (known.size >= MAX_KNOWN) known.clear()
    const address = normal(text)
    known.set(text, address)
    return address
  }
  return (incoming) => {
    const peer = peerOf(incoming.socket.remoteAddress ?? '')
    if (peer === undefined) return 'unknown'
    if (networks.length === 0 || !within(networks, peer)) return peer
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

/** The address of the request that `c` serves; `unknown` where the runtime is not Node, or a test calls the app without a socket. */
export function addressOf(c: Context, reader: AddressReader): string {
  const env: unknown = c.env
  if (typeof env !== 'object' || env === null || !('incoming' in env)) return 'unknown'
  const { incoming } = env
  return isIncoming(incoming) ? reader(incoming) : 'unknown'
}

function isIncoming(value: unknown): value is IncomingMessage {
  return typeof value === 'object' && value !== null && 'socket' in value && 'headers' in value
}
