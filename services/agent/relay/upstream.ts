import type { RegisterRequest } from '#lib/contract/agent.ts'
import { type Config, ConfigSchema } from '#lib/contract/config.ts'
import { ErrorEnvelopeSchema } from '#lib/contract/envelope.ts'
import { type Batch, type BatchAccepted, BatchAcceptedSchema } from '#lib/contract/fleet.ts'
import type { Caller } from '#lib/http/caller.ts'
import { ApiError } from '#lib/http/errors.ts'
import { callerByHeaders } from '#lib/http/key-headers.ts'
import { createPeerFetch, failureOf, PeerError, readData } from '#lib/http/peer.ts'
import { createControllerClient } from '#services/controller/client.ts'
import type { AgentConfig } from '../config.ts'
import { keyAccepted } from './key-answer.ts'

/** How long an agent's own request may wait for the controller behind its relay, in ms: less than the agent waits for it. */
const MAX_BEHIND_MS = 5000

/** A relay's calls to its controller, or to the relay that it follows, for those below it. All reject with PeerError. */
export interface Upstream {
  /**
   * Passes a registration on.
   * @param path the relays it has passed, this one included, nearest to the agent first
   * @throws ApiError RELAY_LOOP as it comes from above
   */
  register(registration: RegisterRequest, path: readonly string[], signal: AbortSignal): Promise<void>
  /** Sends a batch. */
  report(batch: Batch, signal: AbortSignal): Promise<BatchAccepted>
  /**
   * Whose key it is, of one that is accepted there; undefined where it is not. Rejects where that cannot be found out.
   * @param path as for {@link register}
   * @throws ApiError RELAY_LOOP, OVERLOADED as they come from above
   */
  caller(key: string, path: readonly string[]): Promise<Caller | undefined>
  /** The config of a version; undefined where there is none. */
  version(version: number): Promise<Config | undefined>
}

/**
 * Makes the calls on the typed client.
 * @param options.etag of the config held, so that a key is checked without the config being sent
 */
export function createUpstream(
  config: AgentConfig,
  options: { readonly ownId: string; readonly apiKey: () => string; readonly etag: () => string | null },
): Upstream {
  const peerFetch = createPeerFetch({ maxBytes: config.maxConfigBytes })
  const clientFor = (apiKey: string | (() => string)) => createControllerClient(config.controllerUrl, { apiKey, fetch: peerFetch })
  const client = clientFor(options.apiKey)
  const behindMs = Math.min(config.requestTimeoutMs, MAX_BEHIND_MS)
  const within = (ms: number, signal?: AbortSignal) => ({ signal: signal ? AbortSignal.any([signal, AbortSignal.timeout(ms)]) : AbortSignal.timeout(ms) })

  return {
    async register(registration, path, signal) {
      const answer = await client.register.$post({ json: registration }, { headers: { 'X-Relay-Path': path.join(',') }, init: within(behindMs, signal) })
      if (!answer.ok) throw (await loopOf(answer)) ?? (await failureOf(answer))
      await answer.text()
    },

    async report(batch, signal) {
      const sent = { headers: { 'X-Agent-Id': options.ownId }, init: within(config.requestTimeoutMs, signal) }
      const answer = await client.agents.reports.$post({ json: batch, header: {} }, sent)
      if (!answer.ok) throw await failureOf(answer)
      return readData(answer, BatchAcceptedSchema)
    },

    async caller(key, path) {
      const etag = options.etag()
      const header = etag === null ? {} : { 'if-none-match': etag }
      const answer = await clientFor(key).config.$get({ query: {}, header }, { headers: { 'X-Relay-Path': path.join(',') }, init: within(behindMs) })
      return (await keyAccepted(answer, etag)) ? callerByHeaders(answer.headers) : undefined
    },

    async version(version) {
      const answer = await client.config[':version'].$get({ param: { version: String(version) } }, { init: within(behindMs) })
      if (answer.status === 404) return undefined
      if (!answer.ok) throw await failureOf(answer)
      return readData(answer, ConfigSchema)
    },
  }
}

/** The loop that a refusal from above tells of; undefined where it tells of something else. */
async function loopOf(answer: { readonly status: number; text(): Promise<string> }): Promise<ApiError | undefined> {
  if (answer.status !== 409) return undefined
  const text = await answer.text()
  const refusal = ErrorEnvelopeSchema.safeParse(parseJson(text))
  return new ApiError('RELAY_LOOP', refusal.success ? refusal.data.message : 'Cannot follow this relay: a relay above it refuses the way')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What a follower is told where its relay needs the controller for an answer and cannot have it. */
export function upstreamUnavailable(action: string, error: unknown): ApiError {
  const reason = error instanceof PeerError ? error.message : String(error)
  return new ApiError('UPSTREAM_UNAVAILABLE', `Cannot ${action}: this relay cannot reach its controller (${reason}); try again in a few seconds`, {
    headers: { 'Retry-After': '5' },
    cause: error,
  })
}
