import { Child } from '../support/child.ts'
import { publish } from '../support/config-pair.ts'
import { BenchEtcd, etcdVersion } from '../support/etcd.ts'
import { assertRight, openSide } from '../support/fleet-side.ts'
import { configData } from '../support/payloads.ts'
import { settledMib } from '../support/process-figures.ts'
import { openEtcdWatchers, putToEtcd } from '../support/protocol.ts'
import type { Scenario } from '../support/scenario.ts'
import { startService } from '../support/service.ts'
import { alternate, summary, summaryAt } from '../support/stats.ts'

const KIB = 1024
const bound = { kind: 'at most', of: 'ratio', value: 1 } as const

/** A publish to as many streams of ours as watches of an etcd, by its HTTP gateway and a connection each; and what one of them costs. */
export const etcd: Scenario = {
  name: 'etcd',
  async run(bench) {
    const version = etcdVersion()
    if (version === undefined) {
      bench.leaveOut('etcd: it is not installed')
      return []
    }
    const agents = bench.quick ? 1000 : 9000
    await using server = await BenchEtcd.start(bench.folder())
    await using watchers = new Child('etcd-watchers')
    await using controller = await startService('controller', { DATA_DIR: bench.folder() })
    const port = controller.port('controller')
    await publish(port, configData)

    const [ownBefore, etcdBefore] = await Promise.all([settledMib(controller.pid), settledMib(server.pid)])
    await using ours = await openSide({ port, agents, via: 'stream' })
    await watchers.call(openEtcdWatchers, { port: server.port, watchers: agents })
    const [ownAfter, etcdAfter] = await Promise.all([settledMib(controller.pid), settledMib(server.pid)])

    let puts = 0
    const put = async (): Promise<readonly number[]> => {
      puts += 1
      const { latencies_ms } = await watchers.call(putToEtcd, { value: JSON.stringify({ ...configData, put: puts }) })
      if (latencies_ms.length !== agents) throw new Error(`${latencies_ms.length} of ${agents} watchers of etcd were told`)
      return latencies_ms
    }
    await alternate(2, ours.round, put)
    const pairs = await alternate(bench.quick ? 3 : 9, ours.round, put)
    await assertRight(ours)

    const against = `etcd ${version}, HTTP gateway`
    const name = `publish to ${agents} streams`
    const rows: Awaited<ReturnType<Scenario['run']>> = [
      { name: `${name}, p50`, unit: 'ms', ...summaryAt(0.5, pairs), against, bound },
      { name: `${name}, p99`, unit: 'ms', ...summaryAt(0.99, pairs), against, bound },
    ]
    if (ownBefore === undefined || ownAfter === undefined || etcdBefore === undefined || etcdAfter === undefined) {
      bench.leaveOut('memory of a watcher beside etcd: there is no /proc here')
      return rows
    }
    const memory = summary([{ ours: ((ownAfter - ownBefore) * KIB) / agents, baseline: ((etcdAfter - etcdBefore) * KIB) / agents }])
    return [...rows, { name: `memory for each idle stream, of ${agents}`, unit: 'KiB', ...memory, against, bound }]
  },
}
