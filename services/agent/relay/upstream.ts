import type { RegisterRequest } from '#lib/contract/agent.ts'
import { type Config, ConfigSchema } from '#lib/contract/config.ts'
import { ErrorEnvelopeSchema } from '#lib/contract/envelope.ts'
import { type Batch, type BatchAccepted, BatchAcceptedSchema } from '#lib/contract/fleet.ts'
import type { Owner } from '#lib/distribution/ownership.ts'
import { ApiError } from '#lib/http/errors.ts'
import { createPeerFetch, failureOf, PeerError, readData } from '#lib/http/peer.ts'
import { createControllerClient } from '#services/controller/client.ts'
import type { AgentConfig } from '../config.ts'
import type { ApiKey } from '../sync/api-key.ts'
import { keyAccepted } from './key-answer.ts'
import type { KeyAnswer } from './key-verdicts.ts'

/** How long an agent's own request may wait for the controller behind its relay, in ms: less than the agent waits for it. */
const MAX_BEHIND_MS = 5000

/** A relay's calls to its controller, or to the relay that it follows, for those below it. All reject with PeerError. */
export interface Upstream {
  /**
   * Passes a registration on.
   * @param path the relays it has passed, this one included, nearest to the agent first
   * @param claim in whose name it came
   * @throws ApiError RELAY_LOOP, NOT_PERMITTED as they come from above
   */
  register(registration: RegisterRequest, path: readonly string[], claim: Owner, signal: AbortSignal): Promise<void>
  /** Sends a batch. */
  report(batch: Batch, signal: AbortSignal): Promise<BatchAccepted>
  /**
   * Whether a key is accepted there, and whose it is; rejects where that cannot be found out.
   * @param path as for {@link register}
   * @throws ApiError RELAY_LOOP, OVERLOADED as they come from above
   */
  accepts(key: string, path: readonly string[]): Promise<KeyAnswer>
  /** The config of a version; undefined where there is none. */
  version(version: number): Promise<Config | undefined>
}

/**
 * Makes the calls on the typed client.
 * @param options.etag of the config held, so that a key is checked without the config being sent
 */
export function createUpstream(
  config: AgentConfig,
  options: { readonly ownId: string; readonly key: Pick<ApiKey, 'current'>; readonly etag: () => string | null },
): Upstream {
  const { ownId, key: ownKey } = options
  const peerFetch = createPeerFetch({ maxBytes: config.maxConfigBytes })
  const clientFor = (apiKey: string | (() => string)) => createControllerClient(config.controllerUrl, { apiKey, fetch: peerFetch })
  const client = clientFor(() => ownKey.current)
  const behindMs = Math.min(config.requestTimeoutMs, MAX_BEHIND_MS)
  const within = (ms: number, signal?: AbortSignal) => ({ signal: signal ? AbortSignal.any([signal, AbortSignal.timeout(ms)]) : AbortSignal.timeout(ms) })

  return {
    async register(registration, path, claim, signal) {
      const headers = { 'X-Relay-Path': path.join(','), ...(claim === null ? {} : { 'X-Key-Name': claim }) }
      const answer = await client.register.$post({ json: registration }, { headers, init: within(behindMs, signal) })
      if (!answer.ok) throw (await refusalOf(answer)) ?? (await failureOf(answer))
      await answer.text()
    },

    async report(batch, signal) {
      const sent = { headers: { 'X-Agent-Id': ownId }, init: within(config.requestTimeoutMs, signal) }
      const answer = await client.agents.reports.$post({ json: batch, header: {} }, sent)
      if (!answer.ok) throw await failureOf(answer)
      return readData(answer, BatchAcceptedSchema)
    },

    async accepts(key, path) {
      const etag = options.etag()
      const header = etag === null ? {} : { 'if-none-match': etag }
      // By its own key the relay vouches for whoever presents this one: wrong ones it slows down itself.
      const headers = { 'X-Relay-Path': path.join(','), 'X-Relay-Key': ownKey.current }
      const answer = await clientFor(key).config.$get({ query: {}, header }, { headers, init: within(behindMs) })
      return keyAccepted(answer, etag)
    },

    async version(version) {
      const answer = await client.config[':version'].$get({ param: { version: String(version) } }, { init: within(behindMs) })
      if (answer.status === 404) return undefined
      if (!answer.ok) throw await failureOf(answer)
      return readData(answer, ConfigSchema)
    },
  }
}

/** The refusal from above that is the agent's to hear, as a loop or another's agent; undefined where it is about something else. */
async function refusalOf(answer: { readonly status: number; clone(): { text(): Promise<string> } }): Promise<ApiError | undefined> {
  const refusal = ErrorEnvelopeSchema.safeParse(parseJson(await answer.clone().text()))
  const code = refusal.success ? refusal.data.error.code : undefined
  const message = refusal.success ? refusal.data.message : 'Cannot follow this relay: a relay above it refuses the way'
  if (answer.status === 409) return new ApiError('RELAY_LOOP', message)
  return code === 'NOT_PERMITTED' ? new ApiError('NOT_PERMITTED', message) : undefined
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
