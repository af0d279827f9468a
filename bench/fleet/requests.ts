import { requestText } from '../support/http-text.ts'
import type { FetchedConfig } from './configs.ts'

/** What is the same in each request of an agent. */
export interface Sender {
  /** As the Host header gives it. */
  readonly authority: string
  readonly apiKey: string
}

type Headers = Readonly<Record<string, string>>

const common = ({ authority, apiKey }: Sender): Headers => ({ Host: authority, 'X-API-Key': apiKey })
const identity = (agentId: string | undefined): Headers => (agentId === undefined ? {} : { 'X-Agent-Id': agentId })
const configId = (held: FetchedConfig | undefined): Headers => (held?.id === undefined ? {} : { 'X-Config-Id': held.id })

/** `POST /register`. */
export const registerText = (sender: Sender, registration: { readonly hostname: string; readonly instanceId: string }): string =>
  requestText('POST', '/register', {
    headers: common(sender),
    body: JSON.stringify({ hostname: registration.hostname, ip_address: '127.0.0.1', port: 8081, instance_id: registration.instanceId }),
  })

/**
 * `GET /config`, with what the agent holds as a condition.
 * @param waitSeconds how long it may be held; undefined: not at all
 */
export const fetchText = (sender: Sender, agentId: string | undefined, held: FetchedConfig | undefined, waitSeconds: number | undefined): string =>
  requestText('GET', waitSeconds === undefined ? '/config' : `/config?wait=${waitSeconds}`, {
    headers: { ...common(sender), ...identity(agentId), ...(held === undefined ? {} : { 'If-None-Match': `"${held.version}"` }), ...configId(held) },
  })

/** `GET /config/stream`, from behind what the agent holds. */
export const streamText = (sender: Sender, agentId: string | undefined, held: FetchedConfig | undefined): string =>
  requestText('GET', '/config/stream', {
    headers: {
      ...common(sender),
      ...identity(agentId),
      Accept: 'text/event-stream',
      ...(held === undefined ? {} : { 'Last-Event-ID': String(held.version) }),
      ...configId(held),
    },
  })

/** `POST /agents/:id/report` of a version that was applied. */
export const reportText = (sender: Sender, agentId: string, version: number): string =>
  requestText('POST', `/agents/${agentId}/report`, { headers: common(sender), body: JSON.stringify({ version, state: 'applied' }) })
