import { isIP, type Socket } from 'node:net'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { HitFailure } from './failure.ts'

/** Whom TLS targets have to be certified by. */
export interface TlsTrust {
  /** PEM certificates of authorities, instead of the ones that Node and NODE_EXTRA_CA_CERTS bring. */
  readonly ca?: string | readonly string[]
}

/** Makes the context that all connections share: loading the authorities anew costs milliseconds each time. */
export function trustContext(trust: TlsTrust): SecureContext {
  const ca = trust.ca === undefined || typeof trust.ca === 'string' ? trust.ca : [...trust.ca]
  return createSecureContext({ minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) })
}

/** Whether an error is the connection's and not the handshake's. */
const isConnectionLoss = (error: Error): boolean => 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')

/**
 * Speaks TLS over a connected socket: HTTP/1.1 by ALPN, the name by SNI, the certificate always verified.
 * @param hostname as in the URL; an address is verified against the certificate's addresses, and sends no SNI
 * @throws HitFailure tls_error; an ECONNRESET or EPIPE error where the peer went away; the signal's reason
 */
export function secure(socket: Socket, hostname: string, context: SecureContext, signal: AbortSignal): Promise<TLSSocket> {
  // The dot that makes a name absolute is no part of it in SNI or certificates (RFC 6066, section 3).
  const host = hostname.replace(/\.$/, '')
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  // rejectUnauthorized is said, since NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise turn verification off.
  const names = isIP(host) === 0 ? { host, servername: host } : { host }
  const secured = connect({ socket, ...names, secureContext: context, rejectUnauthorized: true, ALPNProtocols: ['http/1.1'] })
  const onAbort = () => {
    secured.destroy()
    reject(signal.reason)
  }
  const onError = (error: Error) => {
    signal.removeEventListener('abort', onAbort)
    secured.destroy()
    if (isConnectionLoss(error)) return reject(error)
    const code = 'code' in error ? String(error.code) : error.message
    reject(new HitFailure('tls_error', `no TLS connection to ${host}: ${code}`, { cause: error }))
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  // Stays for good: an alert can follow the handshake in the same packet, before the next owner listens.
  secured.on('error', onError)
  secured.once('secureConnect', () => {
    signal.removeEventListener('abort', onAbort)
    resolve(secured)
  })
  return promise
}
