import { ReceivedRegistrationSchema } from '#lib/contract/agent.ts'
import { type ReceivedConfig, ReceivedConfigSchema } from '#lib/contract/config.ts'
import { createPeerFetch, failureOf, PeerError, readData, streamingFetch } from '#lib/http/peer.ts'
import { VERSION } from '#lib/runtime/version.ts'
import { createControllerClient } from '#services/controller/client.ts'
import type { AgentConfig } from '../config.ts'
import { readConfigStream } from './config-stream.ts'

/** A config with the ETag it came with, which is echoed byte for byte. */
export interface HeldConfig {
  readonly config: ReceivedConfig
  readonly etag: string | null
}

/** What a read of the latest config found. */
export type FetchOutcome = { readonly kind: 'config'; readonly held: HeldConfig } | { readonly kind: 'unchanged' } | { readonly kind: 'none' }

/** What a registration gave. */
export interface Registration {
  readonly agentId: string
  readonly pollIntervalSeconds: number | undefined
  readonly capabilities: ReadonlySet<string>
}

/** The agent's calls to its controller, ours or a Go one. All reject with PeerError. */
export interface ControllerLink {
  /** Registers this agent. */
  register(signal: AbortSignal): Promise<Registration>
  /**
   * Reads the latest config.
   * @param held what the agent holds; where it is still the latest, the answer is `unchanged`
   * @param waitSeconds how long the controller may hold the request; undefined: not at all
   */
  fetch(held: HeldConfig | undefined, waitSeconds: number | undefined, signal: AbortSignal): Promise<FetchOutcome>
  /**
   * Follows the stream of configs until it ends.
   * @param held what the agent holds; it is not sent again
   * @param onSign told of each heartbeat (undefined) and each config
   */
  stream(held: HeldConfig | undefined, onSign: (held: HeldConfig | undefined) => void, signal: AbortSignal): Promise<void>
}

/** Makes the link on the typed client. */
export function createControllerLink(config: AgentConfig, instanceId: string, listeningPort: () => number): ControllerLink {
  const client = createControllerClient(config.controllerUrl, { apiKey: config.apiKey, fetch: createPeerFetch({ maxBytes: config.maxConfigBytes }) })
  let agentId: string | undefined
  const within = (signal: AbortSignal, extraSeconds = 0) => ({
    signal: AbortSignal.any([signal, AbortSignal.timeout(config.requestTimeoutMs + extraSeconds * 1000)]),
  })

  return {
    async register(signal) {
      const answer = await client.register.$post(
        { json: { hostname: config.hostname, ip_address: config.ip, port: listeningPort(), instance_id: instanceId, agent_version: VERSION } },
        { init: within(signal) },
      )
      if (!answer.ok) throw await failureOf(answer)
      const registration = await readData(answer, ReceivedRegistrationSchema)
      agentId = registration.agent_id
      return { agentId, pollIntervalSeconds: registration.poll_interval_seconds, capabilities: new Set(registration.capabilities) }
    },

    async stream(held, onSign, signal) {
      // The time limit is for the answer to begin; the stream itself may last, and its silence is looked at.
      const opening = new AbortController()
      const late = setTimeout(() => opening.abort(new PeerError('no answer in time')), config.requestTimeoutMs)
      const answer = await client.config.stream
        .$get(
          {
            header: {
              ...(held === undefined ? {} : { 'last-event-id': String(held.config.version) }),
              ...(held?.config.id === undefined ? {} : { 'x-config-id': held.config.id }),
            },
          },
          {
            fetch: streamingFetch,
            headers: agentId === undefined ? {} : { 'X-Agent-Id': agentId },
            init: { signal: AbortSignal.any([signal, opening.signal]) },
          },
        )
        .finally(() => clearTimeout(late))
      if (!answer.ok) throw await failureOf(answer)
      if (answer.body === null) throw new PeerError('answered a stream without a body')
      await readConfigStream(answer.body, { silence_ms: config.streamSilenceMs, max_bytes: config.maxConfigBytes }, onSign)
    },

    async fetch(held, waitSeconds, signal) {
      const answer = await client.config.$get(
        {
          query: waitSeconds === undefined ? {} : { wait: String(waitSeconds) },
          header: {
            ...(held?.etag == null ? {} : { 'if-none-match': held.etag }),
            ...(held?.config.id === undefined ? {} : { 'x-config-id': held.config.id }),
          },
        },
        { headers: agentId === undefined ? {} : { 'X-Agent-Id': agentId }, init: within(signal, waitSeconds) },
      )
      if (answer.status === 304) return { kind: 'unchanged' }
      if (answer.status === 404) {
        await answer.text()
        return { kind: 'none' }
      }
      if (!answer.ok) throw await failureOf(answer)
      return { kind: 'config', held: { config: await readData(answer, ReceivedConfigSchema), etag: answer.headers.get('ETag') } }
    },
  }
}
