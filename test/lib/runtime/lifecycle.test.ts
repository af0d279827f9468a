import { describe, expect, it } from 'vitest'
import { TestProcess } from '#test/_support/process.ts'

const run = (behaviour: string) => new TestProcess('test/lib/runtime/service-under-test.ts', { args: [behaviour] })
const draining = (service: TestProcess) => service.line('draining', ({ msg }) => msg.includes('draining'))

describe('runUntilSignal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('drains at %s and exits 0', async (signal) => {
    await using service = run('well')
    await service.listening()
    service.signal(signal)
    expect(await service.ended).toEqual({ code: 0, signal: null })
    expect(service.lines.slice(-2).map(({ msg }) => msg)).toEqual([
      `[shutdown] ${signal} received, draining for at most 1 s; a second signal exits at once`,
      '[shutdown] done',
    ])
  })

  it('tells what still runs when its time is over, and exits 0', async () => {
    await using service = run('slow')
    await service.listening()
    service.signal('SIGTERM')
    expect(await service.ended).toEqual({ code: 0, signal: null })
    expect(service.lines.at(-1)?.msg).toBe('[shutdown] done')
  })

  it('exits within its time where stopping hangs', async () => {
    await using service = run('hangs')
    await service.listening()
    const start = performance.now()
    service.signal('SIGTERM')
    expect(await service.ended).toEqual({ code: 0, signal: null })
    expect(performance.now() - start).toBeLessThan(2000)
    expect(service.lines.at(-1)?.msg).toMatch(/not everything ended within 1 s/)
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('exits at once at a second signal, %s, with %i', async (signal, code) => {
    await using service = run('hangs')
    await service.listening()
    service.signal('SIGTERM')
    await draining(service)
    const start = performance.now()
    service.signal(signal)
    expect(await service.ended).toEqual({ code, signal: null })
    expect(performance.now() - start).toBeLessThan(500)
  })

  it('ends at a signal while it still starts', async () => {
    await using service = run('hangs-at-start')
    await service.line('starting', ({ msg }) => msg === 'starting')
    service.signal('SIGTERM')
    expect(await service.ended).toEqual({ code: 143, signal: null })
  })

  it('exits 70 where stopping fails, and logs why', async () => {
    await using service = run('fails-to-stop')
    await service.listening()
    service.signal('SIGTERM')
    expect(await service.ended).toEqual({ code: 70, signal: null })
    expect(service.lines.at(-1)?.msg).toBe('[shutdown] failed to stop cleanly')
  })

  it('prints one line for what an operator can mend, and exits with its code', async () => {
    await using service = run('refuses')
    expect(await service.ended).toEqual({ code: 78, signal: null })
    expect(service.stderr).toBe('[init] Cannot start: PORT must be a number, not "x"\n')
  })

  it('prints the stack of a fault of ours, and exits 70', async () => {
    await using service = run('fails')
    expect(await service.ended).toEqual({ code: 70, signal: null })
    expect(service.stderr).toMatch(/^\[init\] Cannot start: TypeError: a fault of ours\n {4}at /)
  })
})
