import { Child } from '../support/child.ts'
import { publish } from '../support/config-pair.ts'
import { requestText } from '../support/http-text.ts'
import { configData } from '../support/payloads.ts'
import { cpuSeconds } from '../support/process-figures.ts'
import { runLoad, serveController } from '../support/protocol.ts'
import type { Bench, Scenario } from '../support/scenario.ts'
import { alternate, summary } from '../support/stats.ts'

const CONNECTIONS = 64

/** A controller with one config, which counts its answers or does not. */
async function startCounting(bench: Bench, counting: boolean) {
  const child = new Child('controller', { jsx: true })
  const { port } = await child.call(serveController, { folder: bench.folder(), counting })
  await publish(port, configData)
  return { child, port }
}

/** What metrics cost where nobody may notice them: `GET /config` with its answers counted, beside the same without. */
export const counting: Scenario = {
  name: 'counting',
  async run(bench) {
    const rounds = bench.quick ? 5 : 15
    const ms = bench.quick ? 300 : 800
    const ours = await startCounting(bench, true)
    await using _ours = ours.child
    const plain = await startCounting(bench, false)
    await using _plain = plain.child
    await using load = new Child('load')

    const measure = async (status: 200 | 304) => {
      const request = requestText('GET', '/config', { headers: status === 304 ? { 'If-None-Match': '"1"' } : {} })
      const expect = { status, includes: status === 304 ? '"1"' : '"version":1,' }
      const round =
        ({ port, child }: typeof ours, time: number) =>
        async () => {
          const before = cpuSeconds(child.pid)
          const { count, seconds } = await load.call(runLoad, { port, request, connections: CONNECTIONS, until: { ms: time }, expect })
          const after = cpuSeconds(child.pid)
          return { rate: count / seconds, cpu: before === undefined || after === undefined ? undefined : ((after - before) / count) * 1e6 }
        }
      // Both compile their hot paths before it counts.
      await alternate(2, round(ours, 1000), round(plain, 1000))
      const measured = await alternate(rounds, round(ours, ms), round(plain, ms))
      const cpu = measured.flatMap(({ ours: { cpu: one }, baseline: { cpu: other } }) =>
        one === undefined || other === undefined ? [] : [{ ours: one, baseline: other }],
      )
      if (cpu.length === 0) bench.leaveOut(`CPU time of a counted ${status}: there is no /proc here`)
      return [
        {
          name: `GET /config, ${status}, with its answers counted`,
          unit: '/s' as const,
          ...summary(measured.map(({ ours: one, baseline: other }) => ({ ours: one.rate, baseline: other.rate }))),
          against: 'the same without counting',
          bound: { kind: 'at least' as const, of: 'ratio' as const, value: 0.95 },
        },
        ...(cpu.length > 0
          ? [
              {
                name: `GET /config, ${status}, with its answers counted: CPU time of the server`,
                unit: 'µs' as const,
                ...summary(cpu),
                against: 'the same without counting',
              },
            ]
          : []),
      ]
    }
    return [...(await measure(304)), ...(await measure(200))]
  },
}
