import { isIP, type Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { parseAddress, sameAddress } from './address.ts'
import { dial } from './dial.ts'
import { HitFailure } from './failure.ts'
import type { Guard } from './guard.ts'
import { type Resolver, resolveHost } from './resolve.ts'
import { secure } from './secure.ts'
import type { Stopwatch } from './timings.ts'

/** What all connections are opened with. */
export interface ConnectorOptions {
  readonly guard: Guard
  readonly resolver: Resolver
  readonly context: SecureContext
}

/** One end to connect to. */
export interface Endpoint {
  readonly protocol: string
  /** A name or an address, without brackets. */
  readonly hostname: string
  readonly port: number
}

/**
 * Opens a connection that the guard has seen: the one way out of this worker for hits.
 *
 * It resolves the name itself, refuses it where any of its addresses is refused (a name with one harmless and one
 * private address is an attack, or soon will be), connects to that very answer, and looks at where
 * the socket ended up. So a name that resolves differently a moment later gains nothing.
 * @throws HitFailure; a socket's error; the signal's reason
 */
export async function openConnection(endpoint: Endpoint, options: ConnectorOptions, watch: Stopwatch, signal: AbortSignal): Promise<Socket> {
  const { hostname, port } = endpoint
  const refuse = (address: string) => {
    const refusal = options.guard.checkAddress(address, port)
    if (refusal !== undefined) throw new HitFailure('blocked_address', `the target ${hostname} ${refusal}`)
  }

  watch.connecting()
  const literal = isIP(hostname) !== 0
  const addresses = literal ? [hostname] : await resolveHost(options.resolver, hostname, signal)
  if (!literal) watch.end('resolve')
  for (const address of addresses) refuse(address)

  const socket = await dial(addresses, port, signal)
  try {
    watch.end('connect')
    verifyPeer(socket, addresses)
    if (endpoint.protocol !== 'https:') return socket
    const secured = await secure(socket, hostname, options.context, signal)
    watch.end('tls')
    return secured
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/**
 * Makes sure that the socket leads to an address that was checked, whatever a firewall, a proxy of the system
 * or a mistake of ours made of it.
 * @throws HitFailure blocked_address; connection_reset where the socket is closed already
 */
export function verifyPeer(socket: Pick<Socket, 'remoteAddress'>, checked: readonly string[]): void {
  if (socket.remoteAddress === undefined) throw new HitFailure('connection_reset', 'the target closed the connection as soon as it was open')
  const peer = parseAddress(socket.remoteAddress)
  const known = checked.some((text) => {
    const address = parseAddress(text)
    return peer !== undefined && address !== undefined && sameAddress(peer, address)
  })
  if (!known) throw new HitFailure('blocked_address', 'the connection does not lead to an address that was checked')
}
