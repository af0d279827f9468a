import { readFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { HealthSchema } from '#lib/contract/health.ts'
import { dataOf } from '#test/_support/controller.ts'
import { publishTo } from '#test/_support/publishing.ts'
import { beginStream, StreamWatchers } from '#test/_support/stream-watchers.ts'
import { startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 30_000, interval: 5 }
const READERS = 20
const LAZY = 10
/** What is waiting for a reader before it is cut off, and the event that goes beyond it. */
const EACH_MIB = 1.6
const EVENT_BYTES = 500_000

/** What a process has in memory, in MiB. */
const residentMib = (pid: number): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

test('streams that nobody reads are cut off by name, with bounded memory, and the others get every version', { timeout: 90_000 }, async () => {
  using folder = new TempFolder()
  await using controller = startService('controller', { DATA_DIR: folder.path })
  const port = await controller.listening()
  const streaming = async () => (await dataOf(await fetch(`http://127.0.0.1:${port}/health`), 200, HealthSchema)).parts.watchers?.streaming
  using readers = await StreamWatchers.connect(port, READERS)
  const lazy = Array.from({ length: LAZY }, () => beginStream(port).pause())
  try {
    await vi.waitFor(async () => expect(await streaming()).toBe(READERS + LAZY), soon)
    const cut = () => controller.lines.filter(({ msg }) => msg.includes('watcher_too_slow')).length
    let before = 0
    let version = 0
    let most = 0
    const publish = async () => {
      version = (await publishTo(port, { big: 'x'.repeat(EVENT_BYTES) })).version
      most = Math.max(most, residentMib(controller.pid))
      await vi.waitFor(() => expect(readers.reached(version)).toBe(READERS), soon)
    }
    // What the controller needs for itself at this size of config.
    for (let n = 0; n < 5; n++) await publish()
    before = most
    // The kernel's buffers of both ends take some of it first.
    while (cut() < LAZY) {
      expect(version, `${cut()} of ${LAZY} were cut off`).toBeLessThan(150)
      await publish()
    }
    await vi.waitFor(async () => expect(await streaming()).toBe(READERS), soon)
    expect(most - before).toBeLessThan(LAZY * EACH_MIB + 100)
    for (let n = 0; n < 3; n++) await publish()
    expect(cut()).toBe(LAZY)
    for (const { versions } of readers.all) expect(versions).toEqual(Array.from({ length: version }, (_, i) => i + 1))
  } finally {
    for (const socket of lazy) socket.destroy()
  }
})
