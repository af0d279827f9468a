import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, test, vi } from 'vitest'
import { Dice, rounds } from '#test/_support/dice.ts'
import { FollowedWorker } from '#test/_support/followed.ts'
import { Ledger } from '#test/_support/ledger.ts'
import { olderController } from '#test/_support/older-controller.ts'
import { latestAt, publishBytes, versionAt } from '#test/_support/publishing.ts'
import { startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const soon = { timeout: 30_000, interval: 2 }
const PAIRS = rounds(40)

/** A connection that publishes without any wait of its own: its bytes leave in the turn that writes them. */
async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket.resume()
}

/** Lets less than a ms pass, without giving up the turn. */
function spin(microseconds: number): void {
  const until = performance.now() + microseconds / 1000
  while (performance.now() < until);
}

test('two publishes within a millisecond: both versions exist, and nobody ends on the first', { timeout: 60_000 + PAIRS * 2000 }, async () => {
  const dice = new Dice()
  using folder = new TempFolder()
  await using controller = startService('controller', { DATA_DIR: folder.path })
  const port = await controller.listening()
  const url = `http://127.0.0.1:${port}`
  await using byWait = await olderController(port, ['wait'])
  await using byPoll = await olderController(port, [])
  await using process = await FollowedWorker.process('a process, by stream', url)
  await using stream = await FollowedWorker.here('by stream', url)
  await using wait = await FollowedWorker.here('by long poll', byWait.url)
  await using poll = await FollowedWorker.here('by polling', byPoll.url)
  const quick = [process, stream, wait]
  const agents = [...quick, poll]
  const hold = (followers: readonly FollowedWorker[], version: number) =>
    vi.waitFor(() => expect(followers.map((agent) => [agent.name, agent.version])).toEqual(followers.map(({ name }) => [name, version])), soon)

  const ledger = new Ledger()
  await ledger.publish(port, 'the first, so that all follow')
  await hold(agents, 1)
  const [one, other] = [await open(port), await open(port)]
  for (let pair = 1; pair <= PAIRS; pair++) {
    const [first, second] = [publishBytes(ledger.data('first')), publishBytes(ledger.data('second'))]
    one.write(first)
    spin(dice.whole(0, 900))
    other.write(second)
    // Ten pairs in a row come while the one that polls is between two polls.
    await hold(pair % 10 === 0 ? agents : quick, 1 + 2 * pair)
  }
  one.destroy()
  other.destroy()
  const last = 1 + 2 * PAIRS
  await hold(agents, last)
  expect(await latestAt(port)).toBe(last)
  const newest = await versionAt(port, last)
  for (const agent of agents) {
    agent.expectOnlyUp()
    expect(agent.config?.data, agent.name).toEqual(newest.data)
  }
  controller.signal('SIGTERM')
  await controller.ended
  ledger.checkFile(
    folder.file('controller.db'),
    agents.flatMap(({ history }) => history),
  )
})
