import { expect, test, vi } from 'vitest'
import { latestAt, publishTo } from '#test/_support/publishing.ts'
import { StreamWatchers } from '#test/_support/stream-watchers.ts'
import { type SystemCall, traceController } from '#test/_support/system-calls.ts'
import { TempFolder } from '#test/_support/temp.ts'

const TRACED = 'fsync,fdatasync,write,writev,sendto,sendmsg,pwrite64'
const soon = { timeout: 30_000, interval: 10 }

const toWal = ({ args }: SystemCall) => args.includes('controller.db-wal>')
const isWrite = ({ name }: SystemCall) => name.includes('write') || name.startsWith('send')
const isSync = ({ name, result }: SystemCall) => /^f(data)?sync$/.test(name) && result === 0

/** Whether what was written to the WAL before this call was on the disk when it began: power may fail then. */
function expectSynced(calls: readonly SystemCall[], call: SystemCall, what: string): void {
  const written = calls.filter((other) => isWrite(other) && toWal(other) && other.began < call.began).at(-1)
  expect(written?.result, `${what}: nothing was written to the WAL before it`).toBeGreaterThan(0)
  const after = written?.returned ?? Number.POSITIVE_INFINITY
  const synced = calls.some((other) => isSync(other) && toWal(other) && other.began > after && other.returned < call.began)
  expect(synced, `${what} went out, and the WAL was not synced since line ${after} of the trace`).toBe(true)
}

test('the WAL is synced before the 201 and before the event: no power failure takes back what was told', { timeout: 90_000 }, async () => {
  using folder = new TempFolder()
  const calls = await traceController({ DATA_DIR: folder.path }, { trace: TRACED, file: folder.file('trace') }, async (port) => {
    using watchers = await StreamWatchers.connect(port, 1)
    // One after the other, and many at once: those share a commit, and its sync.
    for (let n = 1; n <= 5; n++) await publishTo(port, { n })
    await Promise.all(Array.from({ length: 20 }, (_, i) => publishTo(port, { n: 6 + i })))
    expect(await latestAt(port)).toBe(25)
    await vi.waitFor(() => expect(watchers.reached(25)).toBe(1), soon)
  })

  const answers = calls.filter((call) => isWrite(call) && call.args.includes('"HTTP/1.1 201'))
  expect(answers).toHaveLength(25)
  for (const [i, answer] of answers.entries()) expectSynced(calls, answer, `answer ${i + 1}`)
  const events = calls.filter((call) => isWrite(call) && call.args.includes('event: config'))
  expect(events.length).toBeGreaterThan(5)
  for (const [i, event] of events.entries()) expectSynced(calls, event, `event ${i + 1}`)

  // One after the other, each has a write to the WAL of its own before it.
  const walWrites = calls.filter((call) => isWrite(call) && toWal(call))
  for (const [i, answer] of answers.slice(0, 5).entries()) {
    const since = answers[i - 1]?.began ?? 0
    expect(walWrites.some(({ began }) => began > since && began < answer.began)).toBe(true)
  }
})
