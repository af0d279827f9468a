import { connect, isIPv6, type Socket } from 'node:net'

/** How long an address may take before the next is tried beside it (RFC 8305, section 5, recommends 250 ms). */
const STAGGER_MS = 250

/** Begins to connect to a literal address. */
type OpenSocket = (host: string, port: number) => Socket

const openSocket: OpenSocket = (host, port) => {
  // 64 KiB as undici's own connector: large bodies arrive in fewer pieces. (Node's types do not know it here.)
  const options = { host, port, autoSelectFamily: false, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000, highWaterMark: 64 * 1024 }
  return connect(options)
}

/** Sorts addresses so that the families alternate, the first one's first (RFC 8305, section 4). */
export function interleave(addresses: readonly string[]): readonly string[] {
  const first = addresses[0]
  if (first === undefined) return []
  const same = addresses.filter((address) => isIPv6(address) === isIPv6(first))
  const other = addresses.filter((address) => isIPv6(address) !== isIPv6(first))
  return same.flatMap((address, index) => [address, ...other.slice(index, index + 1)]).concat(other.slice(same.length))
}

/**
 * Connects to the first of these addresses that answers: the next is tried when one fails or takes longer
 * than 250 ms, and what is late is closed.
 * @param addresses literals only, already checked; no name is resolved here
 * @param open begins to connect; no loopback address is as silent as a dead host, so a test brings its own
 * @throws the first address's error where all fail; the signal's reason
 */
export function dial(addresses: readonly string[], port: number, signal: AbortSignal, open: OpenSocket = openSocket): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const queue = [...interleave(addresses)]
  const trying = new Set<Socket>()
  let firstError: Error | undefined
  let timer: NodeJS.Timeout | undefined

  const stop = (winner?: Socket) => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    queue.length = 0
    for (const socket of trying) if (socket !== winner) socket.destroy()
    trying.clear()
  }
  const onAbort = () => {
    stop()
    reject(signal.reason)
  }
  const tryNext = () => {
    clearTimeout(timer)
    const host = queue.shift()
    if (host === undefined) {
      if (trying.size === 0) {
        stop()
        reject(firstError ?? new Error('no address to connect to'))
      }
      return
    }
    const socket = open(host, port)
    trying.add(socket)
    socket.once('connect', () => {
      if (!trying.has(socket)) return
      stop(socket)
      resolve(socket)
    })
    const onError = (error: Error) => {
      firstError ??= error
      if (trying.delete(socket)) tryNext()
    }
    // Stays for good: an error before the next owner listens, or of a socket that lost, must not end the process.
    socket.on('error', onError)
    if (queue.length > 0) timer = setTimeout(tryNext, STAGGER_MS)
  }

  if (signal.aborted) return Promise.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  tryNext()
  return promise
}
