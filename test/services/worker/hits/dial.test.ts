import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { dial, interleave } from '#services/worker/hits/dial.ts'

/** Sockets that do nothing by themselves, by address: as silent as a host that drops packets. */
const silent = () => {
  const sockets = new Map<string, Socket>()
  const open = (host: string): Socket => {
    const socket = new Socket()
    sockets.set(host, socket)
    return socket
  }
  const at = (host: string): Socket => {
    const socket = sockets.get(host)
    if (socket === undefined) throw new Error(`nothing connects to ${host}`)
    return socket
  }
  return { sockets, open, at }
}
const never = () => new AbortController().signal

describe('dialling', () => {
  test('tries the next beside a silent one; the first that answers wins, the other is closed', async () => {
    const { sockets, open, at } = silent()
    const dialled = dial(['10.0.0.1', '10.0.0.2', '10.0.0.3'], 80, never(), open)
    expect([...sockets.keys()]).toEqual(['10.0.0.1'])
    await expect.poll(() => sockets.size).toBe(2)
    at('10.0.0.2').emit('connect')
    expect(await dialled).toBe(at('10.0.0.2'))
    expect(at('10.0.0.1').destroyed).toBe(true)
    expect(at('10.0.0.2').destroyed).toBe(false)
    expect(sockets.size).toBe(2)
    at('10.0.0.2').destroy()
  })

  test('a slow one may still win while the next is tried', async () => {
    const { sockets, open, at } = silent()
    const dialled = dial(['10.0.0.1', '10.0.0.2'], 80, never(), open)
    await expect.poll(() => sockets.size).toBe(2)
    at('10.0.0.1').emit('connect')
    expect(await dialled).toBe(at('10.0.0.1'))
    expect(at('10.0.0.2').destroyed).toBe(true)
    at('10.0.0.1').destroy()
  })

  test('a failure is followed by the next at once; the last one is awaited, the first error told', async () => {
    const { sockets, open, at } = silent()
    const dialled = dial(['10.0.0.1', '10.0.0.2'], 80, never(), open)
    at('10.0.0.1').emit('error', new Error('first'))
    expect(sockets.size).toBe(2)
    at('10.0.0.2').emit('error', new Error('second'))
    await expect(dialled).rejects.toThrow('first')
  })

  test('the signal ends it: everything is closed, nothing more is tried', async () => {
    const { sockets, open, at } = silent()
    const stop = new AbortController()
    const dialled = dial(['10.0.0.1', '10.0.0.2', '10.0.0.3'], 80, stop.signal, open)
    await expect.poll(() => sockets.size).toBe(2)
    stop.abort(new Error('enough'))
    await expect(dialled).rejects.toThrow('enough')
    expect(at('10.0.0.1').destroyed && at('10.0.0.2').destroyed).toBe(true)
    expect(sockets.size).toBe(2)
    await expect(dial(['10.0.0.1'], 80, AbortSignal.abort(new Error('before')), open)).rejects.toThrow('before')
  })

  test('families take turns', () => {
    expect(interleave(['::1', '::2', '::3', '1.1.1.1'])).toEqual(['::1', '1.1.1.1', '::2', '::3'])
    expect(interleave(['1.1.1.1', '::1', '::2', '::3'])).toEqual(['1.1.1.1', '::1', '::2', '::3'])
    expect(interleave([])).toEqual([])
  })
})
