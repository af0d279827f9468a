import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChangeHub } from '#lib/watch/hub.ts'
import { waitForChange } from '#lib/watch/wait-for-change.ts'

/** Resolves when everything that was set off with setImmediate has run. */
async function settled(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
}

const forever = () => new AbortController().signal

/** Keeps the processor busy, as writing to sockets does. */
function spin(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

describe('ChangeHub', () => {
  it('brings every watcher to the newest value, in order, whoever comes, goes and publishes when', async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.constant({ kind: 'publish' as const }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('join' as const), count: fc.integer({ min: 1, max: 700 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat() }) },
      { weight: 3, arbitrary: fc.constant({ kind: 'turn' as const }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const hub = new ChangeHub<number>()
        let newest = 0
        const watches: { readonly seen: number[]; readonly joinedAt: number; readonly leave: () => void; gone: boolean }[] = []
        for (const action of steps) {
          if (action.kind === 'publish') hub.publish(++newest)
          else if (action.kind === 'turn') await settled(1)
          else if (action.kind === 'leave') {
            const watch = watches[action.which % Math.max(watches.length, 1)]
            if (!watch) continue
            watch.leave()
            watch.gone = true
          } else {
            for (let i = 0; i < action.count; i++) {
              const seen: number[] = []
              watches.push({ seen, joinedAt: newest, gone: false, leave: hub.subscribe((value) => void seen.push(value ?? -1)) })
            }
          }
        }
        await settled()
        expect(hub.watchers).toBe(watches.filter(({ gone }) => !gone).length)
        for (const { seen, joinedAt, gone } of watches) {
          // Never twice, never backwards, and never less than the newest.
          expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
          if (!gone && newest > joinedAt) expect(seen.at(-1)).toBe(newest)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('wakes ten thousand, and lets the event loop breathe in between', async () => {
    const hub = new ChangeHub<number>()
    let woken = 0
    for (let i = 0; i < 10_000; i++) {
      hub.subscribe(() => {
        woken++
        if (woken % 64 === 0) spin(3)
      })
    }
    hub.publish(1)
    expect(woken).toBeLessThan(10_000)
    await settled(30)
    expect(woken).toBe(10_000)
  })

  it('wakes one that still waits its turn once, with the newest', async () => {
    const hub = new ChangeHub<number>()
    const seen: number[] = []
    for (let i = 0; i < 600; i++) hub.subscribe(() => spin(0.5))
    hub.subscribe((value) => void seen.push(value ?? -1))
    hub.publish(1)
    hub.publish(2)
    await settled()
    expect(seen).toEqual([2])
  })

  it('wakes everyone once at close, and nobody after it', async () => {
    const hub = new ChangeHub<number>()
    const seen: (number | undefined)[] = []
    hub.subscribe((value) => void seen.push(value))
    hub.close()
    hub.publish(1)
    await settled()
    expect([seen, hub.watchers, hub.closed]).toEqual([[undefined], 0, true])
  })
})

describe('waitForChange', () => {
  it('resolves at once where the value is new already', async () => {
    const hub = new ChangeHub(7)
    expect(await waitForChange(hub, (value) => value > 6, { timeoutMs: 60_000, signal: forever() })).toEqual({ kind: 'changed', value: 7 })
    expect(hub.watchers).toBe(0)
  })

  it('holds through values that are not new, and resolves with the one that is', async () => {
    const hub = new ChangeHub(1)
    const waiting = waitForChange(hub, (value) => value > 2, { timeoutMs: 60_000, signal: forever() })
    hub.publish(2)
    expect(hub.watchers).toBe(1)
    hub.publish(3)
    expect(await waiting).toEqual({ kind: 'changed', value: 3 })
    expect(hub.watchers).toBe(0)
  })

  it.each([
    ['its time is over', () => ({ timeoutMs: 5, signal: forever() })],
    ['the caller has gone before', () => ({ timeoutMs: 60_000, signal: AbortSignal.abort() })],
    ['the caller goes', () => ({ timeoutMs: 60_000, signal: AbortSignal.timeout(5) })],
  ])('ends without a value and leaves no watcher where %s', async (_, options) => {
    const hub = new ChangeHub(1)
    expect(await waitForChange(hub, () => false, options())).toEqual({ kind: 'timeout' })
    expect(hub.watchers).toBe(0)
  })

  it('ends as closed at close, and after it', async () => {
    const hub = new ChangeHub<number>()
    const waiting = waitForChange(hub, () => true, { timeoutMs: 60_000, signal: forever() })
    hub.close()
    expect(await waiting).toEqual({ kind: 'closed' })
    expect(await waitForChange(hub, () => true, { timeoutMs: 60_000, signal: forever() })).toEqual({ kind: 'closed' })
    expect(hub.watchers).toBe(0)
  })

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController()
    const listeners: unknown[] = []
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners.push(args[1])
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners.splice(listeners.indexOf(args[1]), 1)
      removeEventListener.apply(signal, args)
    }
    const hub = new ChangeHub<number>()
    const waiting = waitForChange(hub, () => true, { timeoutMs: 60_000, signal })
    expect(listeners).toHaveLength(1)
    hub.publish(1)
    await waiting
    expect(listeners).toHaveLength(0)
  })

  it('loses no change, wherever it falls', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 20 }), async (gaps) => {
        const hub = new ChangeHub(0)
        const last = gaps.length
        const publishing = (async () => {
          for (const [i, gap] of gaps.entries()) {
            await settled(gap)
            hub.publish(i + 1)
          }
        })()
        let held = 0
        while (held < last) {
          const outcome = await waitForChange(hub, (value) => value > held, { timeoutMs: 5000, signal: forever() })
          if (outcome.kind !== 'changed') throw new Error('a change was lost')
          expect(outcome.value).toBeGreaterThan(held)
          held = outcome.value
        }
        await publishing
      }),
      { numRuns: 50 },
    )
  })
})
