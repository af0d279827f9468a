import type { ChangeHub } from './hub.ts'

/** How a wait ended: with a new value, with the time over or the caller gone, or with the hub closed. */
export type WaitOutcome<T> = { readonly kind: 'changed'; readonly value: T } | { readonly kind: 'timeout' } | { readonly kind: 'closed' }

/**
 * Waits until the hub holds a value that satisfies `isNew`: subscribe, read, wait, so that no change between
 * the read and the wait is lost. Costs one set entry, one timer and one listener while it waits: ten thousand
 * of these are held at once, which is why no signals are combined here.
 * @param options.timeoutMs how long to wait, in ms
 * @param options.signal the caller's going away
 */
export function waitForChange<T>(
  hub: ChangeHub<T>,
  isNew: (value: T) => boolean,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<WaitOutcome<T>> {
  const { timeoutMs, signal } = options
  return new Promise((resolve) => {
    const finish = (outcome: WaitOutcome<T>) => {
      clearTimeout(timer)
      unsubscribe()
      signal.removeEventListener('abort', giveUp)
      resolve(outcome)
    }
    const giveUp = () => finish({ kind: 'timeout' })
    const timer = setTimeout(giveUp, timeoutMs)
    const unsubscribe = hub.subscribe((value) => {
      if (value === undefined) finish({ kind: 'closed' })
      else if (isNew(value)) finish({ kind: 'changed', value })
    })
    const { current } = hub
    if (current !== undefined && isNew(current)) finish({ kind: 'changed', value: current })
    else if (hub.closed) finish({ kind: 'closed' })
    else if (signal.aborted) giveUp()
    else signal.addEventListener('abort', giveUp, { once: true })
  })
}
