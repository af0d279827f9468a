import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { ConfigSchema } from '#lib/contract/config.ts'
import { Dice, rounds } from '#test/_support/dice.ts'
import { FollowedWorker } from '#test/_support/followed.ts'
import { Ledger } from '#test/_support/ledger.ts'
import { olderController } from '#test/_support/older-controller.ts'
import type { TestProcess } from '#test/_support/process.ts'
import { latestAt, publishBytes, publishTo } from '#test/_support/publishing.ts'
import { parseAnswer } from '#test/_support/raw-http.ts'
import { steadyPort } from '#test/_support/steady-port.ts'
import { closed, StreamWatchers } from '#test/_support/stream-watchers.ts'
import { startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 60_000, interval: 10 }
const ROUNDS = rounds(15)
const WATCHERS = 300

/** A day of kills: what all of them have in common. */
interface Day {
  readonly port: number
  readonly ledger: Ledger
  readonly dice: Dice
}

/** Four publishers at once, and the kill after so many answers: others are then on their way. */
async function amongPublishes({ port, ledger, dice }: Day, controller: TestProcess): Promise<void> {
  let answersLeft = dice.whole(0, 60)
  const publisher = async () => {
    while (await ledger.publish(port, dice.text(200))) if (answersLeft-- === 0) controller.signal('SIGKILL')
  }
  if (answersLeft === 0) controller.signal('SIGKILL')
  await Promise.all(Array.from({ length: 4 }, publisher))
}

/** The kill as soon as the request has left: before the commit, or in the middle of it. */
async function beforeTheCommit({ port, ledger, dice }: Day, controller: TestProcess): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
  await once(socket, 'connect')
  const over = closed(socket)
  socket.write(publishBytes(ledger.data(dice.text(200))), () => controller.signal('SIGKILL'))
  socket.resume()
  await over
}

/** The kill with the first byte of the 201: from here on the version must be there. */
async function afterTheAnswer({ port, ledger, dice }: Day, controller: TestProcess): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
  const chunks: Buffer[] = []
  socket.once('data', () => controller.signal('SIGKILL')).on('data', (chunk: Buffer) => chunks.push(chunk))
  const over = closed(socket)
  socket.write(publishBytes(ledger.data(dice.text(200))))
  await over
  const answer = parseAnswer(Buffer.concat(chunks), { ended: true })?.answer
  expect(answer?.status).toBe(201)
  ledger.acknowledge(z.object({ data: ConfigSchema }).parse(JSON.parse(answer?.body ?? '')).data)
}

/** The kill when the first of many followers has the event; answers how many had begun to get it. */
async function midFanOut({ port, ledger }: Day, controller: TestProcess): Promise<number> {
  using watchers = await StreamWatchers.connect(port, WATCHERS)
  const next = (await latestAt(port)) + 1
  const over = watchers.all.map(({ socket }) => closed(socket))
  watchers.onVersion = (version) => {
    if (version >= next) controller.signal('SIGKILL')
  }
  // Large, so that writing it to all of them takes longer than a kill.
  await ledger.publish(port, 'x'.repeat(300_000))
  await Promise.all(over)
  return watchers.reached(next)
}

test('a controller killed again and again: no acknowledged version lost, no gap, every agent converges', {
  timeout: 60_000 + ROUNDS * 15_000,
}, async () => {
  const dice = new Dice()
  using folder = new TempFolder()
  const port = await steadyPort()
  const url = `http://127.0.0.1:${port}`
  const day: Day = { port, ledger: new Ledger(), dice }
  const startController = () => startService('controller', { DATA_DIR: folder.path, CONTROLLER_PORT: String(port) })

  await using byWait = await olderController(port, ['wait'])
  await using byPoll = await olderController(port, [])
  await using first = await FollowedWorker.process('a process, by stream', url)
  await using second = await FollowedWorker.here('by stream', url)
  await using third = await FollowedWorker.here('by long poll', byWait.url, { waitSeconds: 2 })
  await using fourth = await FollowedWorker.here('by polling', byPoll.url)
  const agents = [first, second, third, fourth]
  const allHold = (version: number) =>
    vi.waitFor(() => expect(agents.map((agent) => [agent.name, agent.version])).toEqual(agents.map(({ name }) => [name, version])), soon)

  const ways = [amongPublishes, beforeTheCommit, amongPublishes, afterTheAnswer, midFanOut]
  const reached: number[] = []
  let checked = 0
  for (let round = 0; round < ROUNDS; round++) {
    await using controller = startController()
    await controller.listening()
    const latest = await latestAt(port)
    expect(latest).toBeGreaterThanOrEqual(Math.max(0, ...day.ledger.acknowledged.keys()))
    await day.ledger.checkReads(port, checked + 1)
    checked = latest
    // Now with everybody there, now while some are still on their way back.
    if (latest > 0 && dice.next() < 0.4) await allHold(latest)
    const kill = ways[round % ways.length] ?? amongPublishes
    const got = await kill(day, controller)
    if (typeof got === 'number') reached.push(got)
    expect((await controller.ended).signal).toBe('SIGKILL')
  }
  // Not every time does a kill come in between, but among a few it does.
  if (reached.length > 2)
    expect(
      reached.some((count) => count > 0 && count < WATCHERS),
      `the event had reached ${reached} of ${WATCHERS}`,
    ).toBe(true)

  await using controller = startController()
  await controller.listening()
  await day.ledger.checkReads(port, 1)
  const last = day.ledger.data('the last')
  const { version } = await publishTo(port, last)
  await allHold(version)
  for (const agent of agents) {
    expect(agent.config?.data, agent.name).toEqual(last)
    agent.expectOnlyUp()
  }
  controller.signal('SIGTERM')
  await controller.ended
  day.ledger.checkFile(
    folder.file('controller.db'),
    agents.flatMap(({ history }) => history),
  )
})
