import { z } from 'zod'
import { Child } from '../support/child.ts'
import { startConfigPair } from '../support/config-pair.ts'
import { API_KEY, requestText } from '../support/http-text.ts'
import { cpuSeconds } from '../support/process-figures.ts'
import { runLoad } from '../support/protocol.ts'
import type { Scenario } from '../support/scenario.ts'
import { interleave, type Pair, summary } from '../support/stats.ts'

const CONNECTIONS = 64
/** How many keys a controller has that gives each host one of its own. */
const KEYS = 1000

/** Makes them; gives one of them. */
async function makeKeys(port: number): Promise<string> {
  let key = ''
  const headers = { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' }
  for (let made = 0; made < KEYS; made += 50) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        fetch(`http://127.0.0.1:${port}/keys`, { method: 'POST', headers, body: JSON.stringify({ name: `host-${made + i}`, role: 'agent' }) }),
      ),
    )
    for (const answer of answers) key = MadeSchema.parse(await answer.json()).data.key
  }
  return key
}

const MadeSchema = z.object({ data: z.object({ key: z.string() }) })

/** `GET /config`, the route that whole fleets call: with the body, and as the 304 that most of them get. */
export const read: Scenario = {
  name: 'read',
  async run(bench) {
    const rounds = bench.quick ? 3 : 7
    const ms = bench.quick ? 300 : 800
    await using pair = await startConfigPair(bench.folder())
    await using load = new Child('load')
    const etag = `"${pair.version}"`

    const measure = async (status: 200 | 304) => {
      const request = requestText('GET', '/config', { headers: status === 304 ? { 'If-None-Match': etag } : {} })
      const expect = status === 304 ? { status, includes: etag } : { status, includes: `"version":${pair.version},`, bodyBytes: pair.bodyBytes }
      const cpu: { ours: number[]; baseline: number[] } = { ours: [], baseline: [] }
      const round = (port: number, pid: number, used: number[], time: number) => async (): Promise<number> => {
        const before = cpuSeconds(pid)
        const { count, seconds } = await load.call(runLoad, { port, request, connections: CONNECTIONS, until: { ms: time }, expect })
        const after = cpuSeconds(pid)
        if (before !== undefined && after !== undefined) used.push(((after - before) / count) * 1e6)
        return count / seconds
      }
      const ours = (time: number) => round(pair.port, pair.controller.pid, cpu.ours, time)
      const baseline = (time: number) => round(pair.barePort, pair.bare.pid, cpu.baseline, time)
      // Both compile their hot paths before it counts.
      await interleave(1, ours(1000), baseline(1000))
      cpu.ours.length = 0
      cpu.baseline.length = 0
      const rates = await interleave(rounds, ours(ms), baseline(ms))
      const cpuPairs = cpu.ours.flatMap((value, index): Pair[] => {
        const beside = cpu.baseline[index]
        return beside === undefined ? [] : [{ ours: value, baseline: beside }]
      })
      if (cpuPairs.length === 0) bench.leaveOut(`CPU time of a ${status}: there is no /proc here`)
      return [
        {
          name: `GET /config, ${status}`,
          unit: '/s' as const,
          ...summary(rates),
          against: 'bare node:http',
          bound: { kind: 'at least' as const, of: 'ratio' as const, value: status === 304 ? 0.75 : 0.65 },
        },
        // What a saturated load generator cannot hide.
        ...(cpuPairs.length > 0
          ? [{ name: `GET /config, ${status}: CPU time of the server`, unit: 'µs' as const, ...summary(cpuPairs), against: 'bare node:http' }]
          : []),
      ]
    }
    const plain = [...(await measure(304)), ...(await measure(200))]
    const made = await makeKeys(pair.port)
    const reader = (headers: Readonly<Record<string, string>>) => async (): Promise<number> => {
      const request = requestText('GET', '/config', { headers: { 'If-None-Match': etag, ...headers } })
      const expect = { status: 304, includes: etag }
      const { count, seconds } = await load.call(runLoad, { port: pair.port, request, connections: CONNECTIONS, until: { ms }, expect })
      return count / seconds
    }
    const [withMade, withOwn] = [reader({ 'X-API-Key': made }), reader({})]
    await interleave(1, withMade, withOwn)
    return [
      ...plain,
      {
        name: `GET /config, 304, by one of ${KEYS} keys`,
        unit: '/s' as const,
        ...summary(await interleave(rounds, withMade, withOwn)),
        against: "by the controller's own key",
        bound: { kind: 'at least' as const, of: 'ratio' as const, value: 0.95 },
      },
    ]
  },
}
