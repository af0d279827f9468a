import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Child } from '../../bench/support/child.ts'
import { requestText } from '../../bench/support/http-text.ts'
import { monotonicMs } from '../../bench/support/monotonic.ts'
import { portOf } from '../../bench/support/port.ts'
import { runOpenLoop } from '../../bench/support/protocol.ts'

const STALL_MS = 1000
const pace = { per_second: 200, ms: 2000 }

/** A server that accepts hits, and lets all that come within a second in its middle wait for the end of that second. */
async function openStalling() {
  let seen = 0
  let stalled: Promise<void> | undefined
  const server = createServer(async (_req, res) => {
    seen += 1
    const id = seen
    if (id === 100) stalled = delay(STALL_MS)
    await stalled
    const body = JSON.stringify({ data: { task_id: `task ${id}` } })
    res.writeHead(202, { 'Content-Length': body.length }).end(body)
  })
  return {
    port: await portOf(server),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('the open loop sends what is due while a server stalls, and counts from when it was due', { timeout: 30_000 }, async () => {
  await using server = await openStalling()
  await using load = new Child('open-loop')
  const started = monotonicMs()
  const { due_ms, answered_ms } = await load.call(runOpenLoop, { port: server.port, request: requestText('POST', '/hit'), ...pace })
  const due = Object.values(due_ms).sort((a, b) => a - b)
  expect(due).toHaveLength(400)
  expect(answered_ms).toHaveLength(400)
  expect(due[0]).toBeGreaterThan(started)
  expect((due.at(-1) ?? 0) - (due[0] ?? 0)).toBeCloseTo(399 * 5, 3)
  // A closed loop of 32 would see 32 slow answers. Two hundred were due within that second, half of them in its first half.
  expect(answered_ms.filter((ms) => ms > STALL_MS / 2).length).toBeGreaterThanOrEqual(90)
  expect(Math.max(...answered_ms)).toBeGreaterThan(STALL_MS - 20)
})

test('the open loop fails where an answer is no 202', async () => {
  const server = createServer((_req, res) => res.writeHead(503, { 'Content-Length': 0 }).end())
  const port = await portOf(server)
  await using load = new Child('open-loop')
  await expect(load.call(runOpenLoop, { port, request: requestText('POST', '/hit'), ...pace })).rejects.toThrow('expected 202')
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})
