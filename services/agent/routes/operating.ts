import { operationalRoutes } from '#lib/http/operational.ts'
import type { AgentDeps } from '../deps.ts'

/** `/health` and `/ready` of the agent: ready means that it can serve its worker, from the controller or from its cache. */
export function operatingRoutes(deps: AgentDeps) {
  const { config, follower, forwarder, relay } = deps
  return operationalRoutes({
    service: 'agent',
    health: async () => {
      const controller = follower.status
      const worker = forwarder.status
      const warnings = [
        ...(controller.state === 'retrying' ? [`controller: ${controller.last_error ?? 'cannot be followed'}`] : []),
        ...(controller.relay_cut_off_seconds === null
          ? []
          : [`controller: the relay that is followed has not reached its controller for ${controller.relay_cut_off_seconds} s`]),
        ...(worker.last_error === null ? [] : [`worker: ${worker.last_error}`]),
        ...(relay?.status.last_error ? [`reports of followers: ${relay.status.last_error}`] : []),
      ]
      return {
        degraded: warnings.length > 0,
        warnings: [...warnings, ...(relay && !config.ownKey ? ['API_KEY is the default one: set a key of your own before others can reach this relay'] : [])],
        parts: {
          controller: { state: controller.state, via: controller.via },
          worker: { state: worker.state, applied_version: worker.applied_version },
          config: { version: follower.held?.version ?? null },
          ...(relay ? { relay: { ...relay.status } } : {}),
        },
      }
    },
    missing: async () => {
      if (follower.agentId !== undefined || follower.held !== undefined) return []
      return [
        {
          path: 'controller',
          message: `not registered with ${follower.status.url} yet, and no config is cached${follower.status.last_error ? `: ${follower.status.last_error}` : ''}`,
        },
      ]
    },
  })
}
