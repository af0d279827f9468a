import { expect, test, vi } from 'vitest'
import { StubServer } from '#test/_support/stub-server.ts'
import { startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 20_000, interval: 20 }

test('a worker process hits by itself, ends at once at SIGTERM, and goes on from its disk', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  await using target = await StubServer.open((_request, response) => void response.end())
  const env = { DATA_DIR: folder.path, SHUTDOWN_TIMEOUT_SECONDS: '30' }
  await using worker = startService('worker', env)
  const config = { version: 1, data: { url: target.url, schedule: { every_seconds: 2 } } }
  const answer = await fetch(`http://127.0.0.1:${await worker.listening()}/config`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(config),
  })
  expect(answer.status).toBe(200)
  await vi.waitFor(() => expect(target.seen).toHaveLength(1), soon)
  worker.signal('SIGTERM')
  expect(await worker.ended).toEqual({ code: 0, signal: null })
  // Well within its deadline: nothing waited for the next tick.
  expect(worker.lines.some(({ msg }) => msg.includes('not everything ended'))).toBe(false)
  const { length } = target.seen
  await using again = startService('worker', env)
  await again.listening()
  await vi.waitFor(() => expect(target.seen.length).toBeGreaterThan(length), soon)
  expect(new Set(target.seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(target.seen.length)
})
