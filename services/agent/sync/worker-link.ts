import { z } from 'zod'
import type { ReceivedConfig } from '#lib/contract/config.ts'
import { type HitOutcome, HitOutcomesSchema } from '#lib/contract/outcome.ts'
import { createPeerFetch, failureOf, readData } from '#lib/http/peer.ts'
import { isRequestId } from '#lib/http/request-id.ts'
import { type TraceContext, traceHeaders } from '#lib/observe/trace/context.ts'
import { createWorkerClient } from '#services/worker/client.ts'
import type { AgentConfig } from '../config.ts'

/** What the worker holds, as far as the agent cares. */
export type WorkerState = 'holds a config' | 'empty'

/** The agent's calls to its worker, ours or a Go one. All reject with PeerError. */
export interface WorkerLink {
  /**
   * Hands a config over.
   * @param ifNewer false: to be taken even where the worker accepted a newer one (the controller was restored)
   * @param trace that the worker goes on with
   */
  give(config: ReceivedConfig, ifNewer: boolean, signal: AbortSignal, trace?: TraceContext): Promise<void>
  /** Looks whether the worker is there and holds a config. */
  look(signal: AbortSignal): Promise<WorkerState>
  /** What became of its hits lately; undefined where it cannot tell, as a Go worker. */
  outcomes(signal: AbortSignal): Promise<readonly HitOutcome[] | undefined>
}

/** What is read of `GET /hits/stats`. */
const OutcomesSchema = z.object({ outcomes: HitOutcomesSchema })

/**
 * The link of an agent without a worker, as a relay may be. It accepts whatever it is given: nothing is there that could
 * refuse a version, so the agent counts as one that has applied what it holds, and does not keep a fleet from converging.
 */
export const noWorkerLink: WorkerLink = { give: async () => {}, look: async () => 'holds a config', outcomes: async () => undefined }

/**
 * Makes the link on the typed client.
 * @param workerUrl where the worker is
 */
export function createWorkerLink(workerUrl: string, config: Pick<AgentConfig, 'workerApiKey' | 'maxConfigBytes' | 'requestTimeoutMs'>): WorkerLink {
  const client = createWorkerClient(workerUrl, { apiKey: config.workerApiKey, fetch: createPeerFetch({ maxBytes: config.maxConfigBytes }) })
  const within = (signal: AbortSignal) => ({ init: { signal: AbortSignal.any([signal, AbortSignal.timeout(config.requestTimeoutMs)]) } })

  return {
    async give(held, ifNewer, signal, trace) {
      // The request that published it: the worker's log tells of it under the same id.
      const headers: Record<string, string> = { ...traceHeaders(trace) }
      if (held.request_id !== undefined && isRequestId(held.request_id)) headers['X-Request-Id'] = held.request_id
      const answer = await client.config.$post({ query: { if_newer: ifNewer ? 'true' : 'false' }, json: held }, { headers, ...within(signal) })
      if (!answer.ok) throw await failureOf(answer)
      await answer.text()
    },
    async look(signal) {
      const answer = await client.config.$get({}, within(signal))
      if (answer.status === 404) {
        await answer.text()
        return 'empty'
      }
      if (!answer.ok) throw await failureOf(answer)
      await answer.text()
      return 'holds a config'
    },
    async outcomes(signal) {
      const answer = await client.hits.stats.$get({}, within(signal))
      // Ours has this route; the types know no other worker.
      const status: number = answer.status
      if (status === 404) {
        await answer.text()
        return undefined
      }
      if (!answer.ok) throw await failureOf(answer)
      return (await readData(answer, OutcomesSchema)).outcomes
    },
  }
}
