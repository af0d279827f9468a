import { describe, expect, test, vi } from 'vitest'
import { Dice, rounds } from '#test/_support/dice.ts'
import { versionsGiven } from '#test/_support/go-system.ts'
import { BACKOFF_MS, Chain, TIMES } from './chain.ts'

const soon = { timeout: 20_000, interval: 5 }
const ROUNDS = rounds(25)
/** What the arrival of a config behind a dead path may cost: to notice it, to wait, a try on what is dead too. */
const ARRIVAL_MS = TIMES.streamSilenceMs + BACKOFF_MS.most + 2 * TIMES.requestTimeoutMs + BACKOFF_MS.most
/** A slow machine adds its own. */
const SLACK_MS = 5000

/** A chain that follows by stream and has its first version. */
async function following(): Promise<Chain> {
  const chain = await Chain.open()
  await chain.followsBy('stream')
  await chain.arrives(await chain.publish())
  return chain
}

describe.concurrent('a path that', { timeout: 60_000 }, () => {
  test('goes silent without closing: noticed within two heartbeats, and what was published meanwhile arrives', async () => {
    await using chain = await following()
    chain.proxy.freeze()
    await chain.arrives(await chain.publish(), ARRIVAL_MS + SLACK_MS)
    await chain.followsBy('stream')
    chain.expectQuiet(2)
  })

  test('swallows everything for a while: tried on in peace, and followed by stream as soon as it heals', async () => {
    await using chain = await following()
    chain.proxy.behaviour = { kind: 'silent' }
    chain.proxy.freeze()
    const version = await chain.publish()
    const before = chain.proxy.count('/register')
    await vi.waitFor(() => expect(chain.proxy.count('/register')).toBeGreaterThan(before + 1), soon)
    expect(chain.worker.config?.version).toBe(version - 1)
    chain.proxy.behaviour = { kind: 'pass' }
    await chain.arrives(version, ARRIVAL_MS + SLACK_MS)
    await chain.followsBy('stream')
    chain.expectQuiet(2)
  })

  test('cuts every connection after its time: every config arrives, and no storm of connections', async () => {
    await using chain = await Chain.open({ kind: 'cut', after_ms: 300 })
    for (let n = 1; n <= 4; n++) {
      const begins = chain.proxy.count('/register')
      await chain.arrives(await chain.publish({ n }), BACKOFF_MS.most + SLACK_MS)
      await vi.waitFor(() => expect(chain.proxy.count('/register')).toBeGreaterThan(begins), soon)
    }
    chain.expectQuiet(4)
    chain.proxy.behaviour = { kind: 'pass' }
    await chain.followsBy('stream')
    await chain.arrives(await chain.publish())
  })

  test.each([true, false])('buffers streams for ever (their head passes: %s): left for long polls, and climbed back to', async (head) => {
    await using chain = await Chain.open({ kind: 'buffer', head })
    await chain.arrives(await chain.publish(), ARRIVAL_MS + SLACK_MS)
    await chain.followsBy('wait')
    expect(chain.proxy.count('/config/stream')).toBe(3)
    let version = await chain.publish()
    await chain.arrives(version, SLACK_MS)
    chain.expectQuiet(2)
    chain.proxy.behaviour = { kind: 'pass' }
    // Each long poll that brings something is a step towards the next try of a stream.
    for (let steps = 0; chain.agent.follower.status.via !== 'stream'; steps++) {
      expect(steps, 'it does not climb back').toBeLessThan(30)
      version = await chain.publish()
      await chain.arrives(version)
    }
    await chain.arrives(await chain.publish())
    chain.expectQuiet(version + 1)
  })

  test.each([
    [502, undefined, BACKOFF_MS.least],
    [429, '2', 2000],
  ])('answers %i, Retry-After %s, to everything: tried again no sooner than every %i ms', async (status, retryAfter, least) => {
    await using chain = await following()
    const version = await chain.publish()
    await chain.arrives(version)
    const started = performance.now()
    const before = chain.proxy.count('/register')
    chain.proxy.behaviour = { kind: 'answer', status, headers: retryAfter === undefined ? {} : { 'Retry-After': retryAfter } }
    chain.proxy.halfClose('agent')
    await vi.waitFor(() => expect(chain.proxy.count('/register')).toBeGreaterThan(before + 1), soon)
    // The first try follows the backoff alone, each later one what was asked for.
    const tries = chain.proxy.count('/register') - before
    expect(performance.now() - started).toBeGreaterThan(BACKOFF_MS.least + (tries - 1) * least)
    expect(chain.agent.follower.status.last_error).toContain(`answered ${status}`)
    const missed = await chain.publish()
    chain.proxy.behaviour = { kind: 'pass' }
    await chain.arrives(missed, 1.3 * least + BACKOFF_MS.most + SLACK_MS)
    await chain.followsBy('stream')
    chain.expectQuiet(3)
  })

  test.each(['agent', 'controller'] as const)('half-closes towards the %s: noticed at once, and followed again', async (towards) => {
    await using chain = await following()
    const begins = chain.proxy.count('/register')
    chain.proxy.halfClose(towards)
    await chain.arrives(await chain.publish(), BACKOFF_MS.most + SLACK_MS)
    await vi.waitFor(() => expect(chain.proxy.count('/register')).toBe(begins + 1), soon)
    await chain.followsBy('stream')
    chain.expectQuiet(2)
  })
})

test('a path that delays and parts the bytes anywhere: each config arrives whole', { timeout: 60_000 + ROUNDS * 500 }, async () => {
  const dice = new Dice()
  let largest = 1
  await using chain = await Chain.open({ kind: 'split', piece: () => dice.whole(1, largest), pauseMs: () => dice.whole(0, 1) })
  for (let round = 0; round < ROUNDS; round++) {
    largest = dice.whole(1, 400)
    const data = { text: dice.text(300), round }
    const version = await chain.publish(data)
    await chain.arrives(version)
    expect(chain.worker.config?.data).toEqual(data)
    // Two at once lie in one another's way on the wire; the first may be skipped, the second not.
    if (dice.next() < 0.3) await chain.arrives(Math.max(...(await Promise.all([chain.publish(data), chain.publish({ ...data, second: true })]))))
  }
  const given = versionsGiven(chain.workerServer)
  expect(given).toEqual([...given].sort((a, b) => a - b))
  expect(chain.proxy.count('/register')).toBe(1)
})
