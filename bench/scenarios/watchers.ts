import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { Child } from '../support/child.ts'
import { startConfigPair } from '../support/config-pair.ts'
import { requestText } from '../support/http-text.ts'
import { publishBody } from '../support/payloads.ts'
import { bareWaiting, openWatchers, parkWatchers, publishToWatchers } from '../support/protocol.ts'
import type { Scenario } from '../support/scenario.ts'
import { alternate, summaryAt } from '../support/stats.ts'

const AGENTS = 1000

const HealthSchema = z.object({ data: z.object({ parts: z.object({ watchers: z.object({ waiting: z.number() }) }) }) })

/** One server with its thousand connections. */
interface Side {
  readonly watchers: Child
  readonly waiting: () => Promise<number>
  version: number
}

/** Parks all agents, publishes once, and gives how long each had to wait, sorted, in ms. */
async function round(side: Side): Promise<readonly number[]> {
  await side.watchers.call(parkWatchers, { request: requestText('GET', '/config?wait=60', { headers: { 'If-None-Match': `"${side.version}"` } }) })
  while ((await side.waiting()) !== AGENTS) await delay(5)
  side.version += 1
  const { latencies_ms } = await side.watchers.call(publishToWatchers, {
    request: requestText('POST', '/config', { body: publishBody }),
    version: side.version,
  })
  if (latencies_ms.length !== AGENTS) throw new Error(`${latencies_ms.length} of ${AGENTS} agents were answered`)
  return latencies_ms
}

/** A publish to 1,000 agents that wait in a long poll: from just before its write to each agent's last byte. */
export const watchers: Scenario = {
  name: 'watchers',
  async run(bench) {
    const rounds = bench.quick ? 5 : 41
    await using pair = await startConfigPair(bench.folder())
    await using atOurs = new Child('watchers')
    await using atBare = new Child('watchers')
    await atOurs.call(openWatchers, { port: pair.port, connections: AGENTS })
    await atBare.call(openWatchers, { port: pair.barePort, connections: AGENTS })
    const health = async () => {
      const answer = await fetch(`http://127.0.0.1:${pair.port}/health`)
      return HealthSchema.parse(await answer.json()).data.parts.watchers.waiting
    }
    const ours: Side = { watchers: atOurs, version: pair.version, waiting: health }
    const bare: Side = { watchers: atBare, version: pair.version, waiting: async () => (await pair.bare.call(bareWaiting, {})).waiting }

    for (let warm = 0; warm < 3; warm += 1) for (const side of [ours, bare]) await round(side)
    const pairs = await alternate(
      rounds,
      () => round(ours),
      () => round(bare),
    )
    const against = 'bare node:http'
    return [
      { name: `publish to ${AGENTS} waiting agents, p50`, unit: 'ms', ...summaryAt(0.5, pairs), against },
      { name: `publish to ${AGENTS} waiting agents, p99`, unit: 'ms', ...summaryAt(0.99, pairs), against, bound: { kind: 'at most', of: 'ratio', value: 1.5 } },
    ]
  },
}
