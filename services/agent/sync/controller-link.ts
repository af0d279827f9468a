import { ReceivedRegistrationSchema, type RegisterRequest } from '#lib/contract/agent.ts'
import { type ReceivedConfig, ReceivedConfigSchema } from '#lib/contract/config.ts'
import { type Report, ReportAcceptedSchema } from '#lib/contract/fleet.ts'
import { createPeerFetch, failureOf, PeerError, readData, streamingFetch } from '#lib/http/peer.ts'
import { createControllerClient } from '#services/controller/client.ts'
import type { AgentConfig } from '../config.ts'
import { readConfigStream, type StreamSign } from './config-stream.ts'

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
  /** The relays between this agent and the controller, nearest first; empty where there are none. */
  readonly relayPath: readonly string[]
}

/** How to read the latest config. */
export interface FetchOptions {
  /** How long the controller may hold the request; absent: not at all. */
  readonly waitSeconds?: number
  /** Whether relays must ask the controller first, by `Cache-Control: max-age=0` (RFC 9111 section 5.2.1.1). */
  readonly revalidate?: boolean
}

/** The agent's calls to its controller, ours or a Go one. All reject with PeerError. */
export interface ControllerLink {
  /** Registers this agent. */
  register(signal: AbortSignal): Promise<Registration>
  /**
   * Reads the latest config.
   * @param held what the agent holds; where it is still the latest, the answer is `unchanged`
   */
  fetch(held: HeldConfig | undefined, options: FetchOptions, signal: AbortSignal): Promise<FetchOutcome>
  /**
   * Follows the stream of configs until it ends, which rejects.
   * @param held what the agent holds; it is not sent again
   * @param onSign told of each heartbeat and each config; the next is read when it is done
   */
  stream(held: HeldConfig | undefined, onSign: (sign: StreamSign) => Promise<void>, signal: AbortSignal): Promise<never>
  /** Reports how the worker stands; only where the controller has the capability, and after {@link register}. */
  report(report: Report, signal: AbortSignal): Promise<void>
}

/**
 * Makes the link on the typed client.
 * @param registration what the agent says of itself
 * @param apiKey gives its present key
 * @param relayId its own id where it is a relay: a loop is known by it
 */
export function createControllerLink(
  config: AgentConfig,
  registration: () => RegisterRequest,
  relayId: string | undefined,
  apiKey: () => string,
): ControllerLink {
  const client = createControllerClient(config.controllerUrl, { apiKey, fetch: createPeerFetch({ maxBytes: config.maxConfigBytes }) })
  let agentId: string | undefined
  const within = (signal: AbortSignal, extraSeconds = 0) => ({
    signal: AbortSignal.any([signal, AbortSignal.timeout(config.requestTimeoutMs + extraSeconds * 1000)]),
  })

  return {
    async register(signal) {
      const answer = await client.register.$post(
        { json: registration() },
        { headers: relayId === undefined ? {} : { 'X-Relay-Path': relayId }, init: within(signal) },
      )
      if (!answer.ok) throw await failureOf(answer)
      const registered = await readData(answer, ReceivedRegistrationSchema)
      agentId = registered.agent_id
      return {
        agentId,
        pollIntervalSeconds: registered.poll_interval_seconds,
        capabilities: new Set(registered.capabilities),
        relayPath: registered.relay_path ?? [],
      }
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
      return readConfigStream(answer.body, { silence_ms: config.streamSilenceMs, max_bytes: config.maxConfigBytes }, onSign)
    },

    async report(report, signal) {
      if (agentId === undefined) throw new PeerError('cannot report before the registration')
      const answer = await client.agents[':id'].report.$post({ param: { id: agentId }, json: report }, { init: within(signal) })
      if (!answer.ok) throw await failureOf(answer)
      await readData(answer, ReportAcceptedSchema)
    },

    async fetch(held, { waitSeconds, revalidate }, signal) {
      const answer = await client.config.$get(
        {
          query: waitSeconds === undefined ? {} : { wait: String(waitSeconds) },
          header: {
            ...(held?.etag == null ? {} : { 'if-none-match': held.etag }),
            ...(held?.config.id === undefined ? {} : { 'x-config-id': held.config.id }),
            ...(revalidate ? { 'cache-control': 'max-age=0' } : {}),
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
