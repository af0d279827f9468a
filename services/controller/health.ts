import { type Operational, rememberFor } from '#lib/http/operational.ts'
import type { ControllerDeps } from './deps.ts'

/** How the controller is: its parts, and what is wrong with them. Its database is asked at most once a second, however many want to know. */
export function controllerHealth(deps: Pick<ControllerDeps, 'store' | 'fleet' | 'feed' | 'streams' | 'admission' | 'config'>): Operational {
  const storeProblem = rememberFor(1000, async (): Promise<string | undefined> => {
    try {
      await deps.store.checkWritable()
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : 'the database does not take a write'
    }
  })
  const agents = rememberFor(1000, async () => {
    const { total, online } = (await deps.fleet.status()).agents
    return { total, online }
  })
  const { ownKey } = deps.config
  return {
    service: 'controller',
    health: async () => {
      const problem = await storeProblem()
      const warnings = [
        ...(ownKey ? [] : ['API_KEY is the default one: set a key of your own before others can reach this controller']),
        ...(problem ? [`store: ${problem}`] : []),
      ]
      return {
        degraded: problem !== undefined,
        warnings,
        parts: {
          store: { ok: problem === undefined, engine: 'sqlite' },
          configs: { latest_version: deps.feed.current?.version ?? null },
          agents: await agents(),
          watchers: { waiting: Math.max(0, deps.feed.hub.watchers - deps.streams.open), streaming: deps.streams.open },
          admission: { ...deps.admission.figures },
        },
      }
    },
    missing: async () => {
      const problem = await storeProblem()
      return problem === undefined ? [] : [{ path: 'store', message: problem }]
    },
  }
}
