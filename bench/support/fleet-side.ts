import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { Fleet, type FleetOptions } from '../fleet/fleet.ts'
import { forbidden } from '../fleet/tally.ts'
import type { ConfigPair } from './config-pair.ts'
import { API_KEY } from './http-text.ts'
import { configData } from './payloads.ts'
import { bareWaiting } from './protocol.ts'

/** Longer than anything here may take: what comes later is a fault, not a figure. */
const PATIENCE_MS = 60_000

const HealthSchema = z.object({ data: z.object({ parts: z.object({ watchers: z.object({ waiting: z.number() }) }) }) })

/** A fleet on one server. */
export interface FleetSide extends AsyncDisposable {
  readonly fleet: Fleet
  /** Publishes once all are there. @returns how long each agent that reads had to wait for it, sorted, in ms */
  round(): Promise<readonly number[]>
}

/** How many long polls a controller holds. */
export async function waitingAt(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/health`)
  return HealthSchema.parse(await answer.json()).data.parts.watchers.waiting
}

/** What a side is made of. */
export interface SideOptions extends Pick<FleetOptions, 'agents' | 'via' | 'neverRead' | 'report'> {
  readonly port: number
  /** How many long polls the server holds. */
  readonly waiting?: () => Promise<number>
  readonly data?: Readonly<Record<string, unknown>>
  /** What the agents follow where it is not that server itself: its relays. */
  readonly urls?: readonly string[]
  /** 1 where absent. */
  readonly processes?: number
}

/** Opens a fleet on a server, in a process of its own unless more are asked for. */
export async function openSide(options: SideOptions): Promise<FleetSide> {
  const { port, agents, via, waiting, neverRead = 0, data = configData } = options
  const url = `http://127.0.0.1:${port}`
  await using stack = new AsyncDisposableStack()
  const fleet = stack.use(new Fleet({ urls: [url], controllerUrl: url, apiKey: API_KEY, processes: 1, ...options }))
  await fleet.open()
  const kept = stack.move()
  const readers = agents - neverRead
  return {
    fleet,
    round: async () => {
      // A poll that is still on its way would be answered at once, which is another figure.
      while (via === 'wait' && waiting !== undefined && (await waiting()) !== agents) await delay(10)
      const { latencies_ms, missing, version } = await fleet.publish(data, PATIENCE_MS)
      if (missing > 0 || latencies_ms.length !== readers) throw new Error(`${missing} of ${readers} agents did not get version ${version}`)
      return latencies_ms
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** A fleet each on the controller and on the bare server. */
export async function openSides(pair: ConfigPair, options: Omit<SideOptions, 'port' | 'waiting'>) {
  await using stack = new AsyncDisposableStack()
  const [ours, bare] = await Promise.all([
    openSide({ ...options, port: pair.port, waiting: () => waitingAt(pair.port) }),
    openSide({ ...options, port: pair.barePort, waiting: async () => (await pair.bare.call(bareWaiting, {})).waiting }),
  ])
  stack.use(ours)
  stack.use(bare)
  const kept = stack.move()
  return { ours, bare, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/**
 * Looks through all histories: a server cannot win by leaving out, by bringing what is old, or by other bytes.
 * @throws Error that names what was wrong
 */
export async function assertRight({ fleet }: FleetSide): Promise<void> {
  const { named, faults, counts } = await fleet.check({ undisturbed_ms: PATIENCE_MS, disturbed_ms: PATIENCE_MS, every_version: true })
  const wrong = [...named.map(({ agent, problems }) => `${agent} ${problems.join(', ')}`), ...faults, ...forbidden(counts)]
  if (wrong.length > 0) throw new Error(`the agents were not served right: ${wrong.join('; ')}`)
}
