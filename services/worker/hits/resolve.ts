import { lookup } from 'node:dns/promises'
import { HitFailure } from './failure.ts'

/** All addresses of a name, in the order in which to try them. Rejects where there are none. */
export type Resolver = (hostname: string) => Promise<readonly string[]>

/**
 * Asks the system, as every other program on the host does: /etc/hosts, search domains, the container's DNS.
 * The order is the system's too (RFC 6724).
 */
export const systemResolver: Resolver = async (hostname) => (await lookup(hostname, { all: true, order: 'verbatim' })).map(({ address }) => address)

/** Lets requests for one name that come at the same time share one question. */
export function sharedResolver(resolver: Resolver): Resolver {
  const underway = new Map<string, Promise<readonly string[]>>()
  return (hostname) => {
    const known = underway.get(hostname)
    if (known !== undefined) return known
    const asked = Promise.resolve(resolver(hostname)).finally(() => underway.delete(hostname))
    underway.set(hostname, asked)
    return asked
  }
}

/**
 * Resolves a name, or gives up when the signal aborts (the system's own question cannot be taken back).
 * @throws HitFailure dns_error; the signal's reason
 */
export async function resolveHost(resolver: Resolver, hostname: string, signal: AbortSignal): Promise<readonly string[]> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    const addresses = await Promise.race([resolver(hostname), aborted])
    if (addresses.length === 0) throw new HitFailure('dns_error', `the name ${hostname} has no address`)
    return addresses
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof HitFailure) throw error
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    throw new HitFailure('dns_error', `the name ${hostname} cannot be resolved${code}`, { cause: error })
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
