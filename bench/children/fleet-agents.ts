// Many simulated agents in one process; the fleet simulator and the bench run as many of these as they need.
import { agentsFollowed, agentsProgress, agentsReached, agentsReported, checkAgents, openAgents } from '../fleet/protocol.ts'
import { Swarm } from '../fleet/swarm.ts'
import { answerCalls, on } from '../support/answer.ts'

let swarm: Swarm | undefined

/** The swarm. @throws Error before it was opened */
function opened(): Swarm {
  if (swarm === undefined) throw new Error('the agents were not opened yet')
  return swarm
}

answerCalls(
  on(openAgents, async (options) => {
    const { host, port, authority, agents, first, via, report } = options
    swarm = new Swarm({
      ...{ target: { host, port }, authority, apiKey: options.api_key, agents, first, via, report },
      waitSeconds: options.wait_seconds,
      intervalSeconds: options.interval_seconds,
      neverRead: options.never_read,
    })
    await swarm.open()
    return {}
  }),
  on(agentsProgress, () => swarm?.progress ?? { following: 0, holders: 0 }),
  on(agentsReached, ({ version, timeout_ms }) => opened().reached(version, timeout_ms)),
  on(agentsFollowed, ({ after, timeout_ms }) => opened().followed(after, timeout_ms)),
  on(agentsReported, async () => ({ taken: await opened().reported() })),
  on(checkAgents, ({ published, undisturbed_ms, disturbed_ms, every_version }) => {
    const { tally, configs } = opened()
    const checked = opened().check(published, { undisturbed_ms, disturbed_ms, every_version })
    return {
      broken: checked.broken,
      named: checked.named.map(({ agent, problems }) => ({ agent, problems: [...problems] })),
      counts: tally.counts,
      digests: [...configs.digests],
    }
  }),
)
