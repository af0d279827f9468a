import { v5 as uuidv5 } from 'uuid'
import type { RegisterRequest } from '../contract/agent.ts'

/** Made once for this system; an id must not change when the code is moved. */
const AGENT_NAMESPACE = '2f1c9c86-7b0c-5d1e-9c61-6d0b3b1a7e42'

/** The id of an agent: the same whenever it registers again, and whoever answers, controller or relay. */
export const agentIdOf = (request: Pick<RegisterRequest, 'instance_id' | 'hostname' | 'ip_address' | 'port'>): string =>
  uuidv5(request.instance_id?.toLowerCase() ?? JSON.stringify([request.hostname, request.ip_address, request.port]), AGENT_NAMESPACE)

const printable = /^[\x20-\x7e]{1,64}$/

/** Whether a header can name an agent: 1 to 64 printable ASCII characters. Anything else would make a batch that no controller takes. */
export const isAgentId = (id: string): boolean => printable.test(id)
