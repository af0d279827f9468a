import ipaddr from 'ipaddr.js'

/** A parsed address, IPv4-mapped IPv6 already read as the IPv4 address that the system would connect to. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6

/** A range of addresses and its length in bits. */
export type AddressRange = readonly [Address, number]

/** The IPv4 tail of an IPv6 address as two groups. */
const dotsToHex = (_match: string, ...octets: readonly string[]): string => {
  const [a = 0, b = 0, c = 0, d = 0] = octets.slice(0, 4).map(Number)
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

/** Reads an address as DNS or a socket gives it; undefined where it is none. */
export function parseAddress(text: string): Address | undefined {
  // ipaddr.js also reads `127.1` and `0x7f.1`; so does the system, and both mean the same address. But it
  // takes `::8.8.8.8`, IPv4-compatible, for `::ffff:8.8.8.8`, IPv4-mapped: so it is given no dots.
  const written = text.includes(':') ? text.replace(/(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/, dotsToHex) : text
  return ipaddr.isValid(written) ? ipaddr.process(written) : undefined
}

/** Reads a CIDR range, `10.0.0.0/8` or `fd00::/8`; a lone address is a range of one. Undefined where it is neither. */
export function parseRange(text: string): AddressRange | undefined {
  if (ipaddr.IPv4.isValidCIDRFourPartDecimal(text) || ipaddr.IPv6.isValidCIDR(text)) return ipaddr.parseCIDR(text)
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return [ipaddr.IPv4.parse(text), 32]
  return ipaddr.IPv6.isValid(text) ? [ipaddr.IPv6.parse(text), 128] : undefined
}

/** Whether a range holds an address; never across families. */
export function inRange(address: Address, [network, bits]: AddressRange): boolean {
  return address.kind() === network.kind() && address.match(network, bits)
}

const range = (text: string): AddressRange => ipaddr.parseCIDR(text)

const v4Compatible = range('::/96')
const siit = range('::ffff:0:0:0/96')
/** The one translation prefix that IANA lists as globally reachable: on an IPv6-only network every IPv4 target has such an address. */
const nat64 = range('64:ff9b::/96')
const localNat64 = range('64:ff9b:1::/48')
const sixToFour = range('2002::/16')
const teredo = range('2001::/32')

/** Reads four bytes at each offset as an IPv4 address. */
const v4At = (bytes: readonly number[], ...offsets: readonly [number, number, number, number]): ipaddr.IPv4 =>
  new ipaddr.IPv4(offsets.map((offset) => bytes[offset] ?? 0))

/**
 * The IPv4 addresses that an IPv6 address may lead to through translation or a tunnel: IPv4-compatible
 * (RFC 4291), SIIT (RFC 7915), NAT64 (RFC 6052), its local prefix (RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380: server
 * and client) and ISATAP (RFC 5214).
 */
export function embeddedAddresses(address: Address): readonly ipaddr.IPv4[] {
  // `::` and `::1` lie in the IPv4-compatible prefix, and carry nothing.
  if (address instanceof ipaddr.IPv4 || isLoopback(address) || isUnspecified(address)) return []
  const bytes = address.toByteArray()
  const last = v4At(bytes, 12, 13, 14, 15)
  if ([v4Compatible, siit, nat64].some((prefix) => inRange(address, prefix))) return [last]
  if (inRange(address, localNat64)) {
    // A network may use any length under its local prefix: /96 puts the address at the end, others around octet 8.
    const others = [v4At(bytes, 6, 7, 9, 10), v4At(bytes, 7, 9, 10, 11), v4At(bytes, 9, 10, 11, 12)]
    return [last, ...others.filter((other) => !isUnspecified(other))]
  }
  if (inRange(address, sixToFour)) return [v4At(bytes, 2, 3, 4, 5)]
  if (inRange(address, teredo)) {
    const inverted = bytes.map((byte) => byte ^ 0xff)
    return [v4At(bytes, 4, 5, 6, 7), v4At(inverted, 12, 13, 14, 15)]
  }
  const isatap = bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe && ((bytes[8] ?? 0) & 0xfd) === 0
  return isatap ? [last] : []
}

/** Whether an IPv6 address only stands for an IPv4 one, and is as reachable as that one is. */
export function isNat64(address: Address): boolean {
  return inRange(address, nat64)
}

const globalV6 = range('2000::/3')

/** Whether an address is global unicast by IANA's registries of special-purpose addresses. */
export function isGlobalUnicast(address: Address): boolean {
  // ipaddr.js calls everything that no registry names unicast; IANA has given out 2000::/3 alone.
  return address.range() === 'unicast' && (address instanceof ipaddr.IPv4 || inRange(address, globalV6))
}

/** Whether an address is the machine's own by definition. */
export function isLoopback(address: Address): boolean {
  return address.range() === 'loopback'
}

/** Whether an address is none: `0.0.0.0/8` and `::`, which a system takes as itself. */
export function isUnspecified(address: Address): boolean {
  return address.range() === 'unspecified'
}

/** Whether two addresses are the same, in whatever way they were written. */
export function sameAddress(one: Address, other: Address): boolean {
  return one.toNormalizedString() === other.toNormalizedString()
}
