import type { Clock } from '#lib/runtime/clock.ts'
import type { Resolver } from './resolve.ts'

/** A name that is answered within this, in ms, with addresses or without, holds no thread for long. */
const QUICK_MS = 1000
/** Questions under way for names that are not known to be quick, at most; and of those, for names that were slow the last time. */
const MAX_UNKNOWN = 3
const MAX_SLOW = 1
/** Names that are remembered. */
const REMEMBERED = 4096

/** A name that waits for its question to be asked. */
interface Waiting {
  readonly hostname: string
  ask(): void
}

/**
 * Keeps names that nobody answers for from holding up all others. getaddrinfo runs on four threads of the process, which files and
 * zlib need too, and waits for a dead DNS server for 10 s and longer: four dead names would hold them all. So names that were
 * quick the last time are asked for at once; new ones three at a time, and of those that were slow only one.
 */
export function fairResolver(resolver: Resolver, clock: Pick<Clock, 'monotonic'>): Resolver {
  /** Whether a name was quick the last time. */
  const quick = new Map<string, boolean>()
  const waiting: Waiting[] = []
  let unknown = 0
  let slow = 0

  const remember = (hostname: string, wasQuick: boolean): void => {
    quick.delete(hostname)
    const oldest = quick.size < REMEMBERED ? undefined : quick.keys().next().value
    if (oldest !== undefined) quick.delete(oldest)
    quick.set(hostname, wasQuick)
  }
  const mayAsk = (hostname: string): boolean => unknown < MAX_UNKNOWN && (quick.get(hostname) !== false || slow < MAX_SLOW)

  const next = (): void => {
    // New names first: they are quick as a rule.
    for (const slowOnes of [false, true]) {
      for (const entry of waiting.filter(({ hostname }) => (quick.get(hostname) === false) === slowOnes)) {
        if (!mayAsk(entry.hostname)) break
        waiting.splice(waiting.indexOf(entry), 1)
        entry.ask()
      }
    }
  }

  const ask = async (hostname: string): Promise<readonly string[]> => {
    const started = clock.monotonic()
    try {
      return await resolver(hostname)
    } finally {
      remember(hostname, clock.monotonic() - started < QUICK_MS)
    }
  }
  const askGuardedly = async (hostname: string): Promise<readonly string[]> => {
    const isSlow = quick.get(hostname) === false
    unknown += 1
    if (isSlow) slow += 1
    try {
      return await ask(hostname)
    } finally {
      unknown -= 1
      if (isSlow) slow -= 1
      next()
    }
  }

  return (hostname) => {
    if (quick.get(hostname) === true) return ask(hostname)
    if (mayAsk(hostname)) return askGuardedly(hostname)
    return new Promise((resolve) => waiting.push({ hostname, ask: () => resolve(askGuardedly(hostname)) }))
  }
}
