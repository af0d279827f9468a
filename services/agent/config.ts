import { z } from 'zod'
import { labelsSchema } from '#lib/contract/agent.ts'
import { trustedProxies } from '#lib/http/address.ts'
import { admissionEnv, commonEnv, type Environment, headerText, parseEnv, port, StartError, serviceUrl, tracingOf, whole } from '#lib/runtime/env.ts'
import { keyFile, keyOf } from '#lib/runtime/key-file.ts'

/** The key that every example uses: it protects nothing, so a relay that has only it stays on loopback. */
const DEFAULT_API_KEY = 'default-api-key'

const labelsForm = 'must be key=value pairs parted by commas, as zone=eu-1,rack=7'

/** Labels as `key=value` parted by commas, within the limits that the controller holds them to. */
const labels = () =>
  z
    .string()
    .default('')
    .transform((text, context) => {
      const pairs = text.split(',').flatMap((pair) => (pair.trim() ? [pair.trim()] : []))
      const entries = pairs.map((pair): [string, string] => [pair.slice(0, Math.max(pair.indexOf('='), 0)).trim(), pair.slice(pair.indexOf('=') + 1).trim()])
      const refuse = (why: string) => {
        context.addIssue({ code: 'custom', message: `${labelsForm} (${why})` })
        return z.NEVER
      }
      const odd = pairs.find((pair) => !/^[^=]*[^=\s]\s*=/.test(pair) || pair.startsWith('__proto__'))
      if (odd !== undefined) return refuse(`${JSON.stringify(odd.slice(0, 100))} is none`)
      const twice = entries.find(([key], index) => entries.findIndex(([other]) => other === key) < index)
      if (twice) return refuse(`${JSON.stringify(twice[0].slice(0, 100))} is given twice`)
      const parsed = labelsSchema.safeParse(Object.fromEntries(entries))
      if (!parsed.success) {
        const [issue] = parsed.error.issues
        return refuse(`${issue?.path.length ? `${JSON.stringify(issue.path.join('.').slice(0, 100))}: ` : ''}${labelProblem(issue)}`)
      }
      return parsed.data
    })

/** What is wrong with a label: of a bad key, zod says it inside. */
const labelProblem = (issue: z.core.$ZodIssue | undefined): string =>
  (issue?.code === 'invalid_key' ? issue.issues[0]?.message : issue?.message) ?? 'they are not labels'

/** The worker's URL; null for `none`. */
const workerUrl = (standard: string) =>
  z
    .string()
    .transform((value, context) => {
      if (value === 'none') return null
      const url = serviceUrl(standard).safeParse(value)
      if (url.success) return url.data
      context.addIssue({ code: 'custom', message: `${url.error.issues[0]?.message ?? 'must be a URL'}, or none where a relay has no worker` })
      return z.NEVER
    })
    .default(standard)

/** The variables of the agent. */
export const agentEnv = z.object({
  ...commonEnv,
  ...admissionEnv,
  AGENT_PORT: port(8081).describe('Port of the agent'),
  AGENT_HOST: z.string().optional().describe('Address it listens on; where unset, 127.0.0.1, and for a relay with a key of its own all'),
  AGENT_HOSTNAME: z.string().max(255).default('agent-01').describe('Hostname it registers with'),
  AGENT_IP: z.string().max(255).default('127.0.0.1').describe('Address it registers with'),
  AGENT_LABELS: labels().describe('Labels it registers with, as zone=eu-1,rack=7'),
  RELAY: z.enum(['true', 'false'], { error: 'must be true or false' }).default('false').describe('true: serves agents below it, as a controller does'),
  CONTROLLER_URL: serviceUrl('http://localhost:6001').describe('Where the controller is, or the relay to follow'),
  WORKER_URL: workerUrl('http://localhost:6002').describe('Where the worker of this host is; none for a relay without one'),
  TRUSTED_PROXIES: trustedProxies().describe('Addresses and networks of proxies whose X-Forwarded-For is believed, parted by commas'),
  API_KEY: headerText().default(DEFAULT_API_KEY).describe('Key of the controller, and what agents send'),
  API_KEY_FILE: keyFile().describe('Instead of API_KEY a file that holds it; an agent reads it again when it changes'),
  WORKER_API_KEY: headerText().optional().describe('Key of the worker, and what its agent sends'),
  WORKER_API_KEY_FILE: keyFile().describe('Instead of WORKER_API_KEY a file that holds it; read at the start'),
  POLL_INTERVAL_SECONDS: whole(1, 86_400, 30).describe('Seconds between polls until the controller says otherwise'),
  REQUEST_TIMEOUT_SECONDS: whole(1, 600, 10).describe('How long a call to controller or worker may take'),
})

/**
 * Reads the agent's part of the environment.
 * @throws StartError naming what is wrong with it
 */
export function loadAgentConfig(environment: Environment = process.env) {
  const env = parseEnv(agentEnv, environment)
  const relay = env.RELAY === 'true'
  const { key, path } = keyOf('API_KEY', env.API_KEY, env.API_KEY_FILE, DEFAULT_API_KEY)
  const ownKey = key !== DEFAULT_API_KEY
  if (env.WORKER_URL === null && !relay)
    throw new StartError(
      'Cannot start: WORKER_URL is "none" and RELAY is not "true": an agent without a worker and without followers does nothing; set WORKER_URL to the worker of this host, or RELAY to true',
    )
  return {
    port: env.AGENT_PORT,
    /** Undefined: all addresses. */
    host: env.AGENT_HOST ?? (relay && ownKey ? undefined : '127.0.0.1'),
    hostname: env.AGENT_HOSTNAME,
    ip: env.AGENT_IP,
    labels: env.AGENT_LABELS,
    relay,
    ownKey,
    controllerUrl: env.CONTROLLER_URL,
    /** Null: there is no worker. */
    workerUrl: env.WORKER_URL,
    /** Which of the two were said, and not taken by default. */
    said: { controllerUrl: Boolean(environment.CONTROLLER_URL), workerUrl: Boolean(environment.WORKER_URL) },
    apiKey: key,
    /** The file that the key is in, and read from again when it changes; undefined: it is not in a file. */
    apiKeyFile: path,
    workerApiKey: keyOf('WORKER_API_KEY', env.WORKER_API_KEY, env.WORKER_API_KEY_FILE).key,
    pollIntervalSeconds: env.POLL_INTERVAL_SECONDS,
    requestTimeoutMs: env.REQUEST_TIMEOUT_SECONDS * 1000,
    /** How long a long poll is held, in seconds. */
    waitSeconds: 25,
    /** How long a stream may say nothing, in ms: two heartbeats. */
    streamSilenceMs: 30_000,
    /** How often the worker is looked at, in ms: a Go worker forgets its config when it restarts. */
    workerCheckMs: 5000,
    /** How often the controller is told of hits, in ms, where there is nothing else to report. */
    outcomeGapMs: 30_000,
    allowedHosts: env.ALLOWED_HOSTS,
    trustedProxies: env.TRUSTED_PROXIES,
    dataDir: env.DATA_DIR,
    maxConfigBytes: env.MAX_CONFIG_BYTES,
    /** What a relay takes at once. */
    admission: { max_in_progress: env.MAX_REQUESTS_IN_PROGRESS, max_new_connections_per_second: env.MAX_NEW_CONNECTIONS_PER_SECOND },
    tracing: tracingOf(env, 'dcm-agent'),
    shutdownTimeoutSeconds: env.SHUTDOWN_TIMEOUT_SECONDS,
    logLevel: env.LOG_LEVEL,
    logFormat: env.LOG_FORMAT,
  }
}

/** What the agent runs with. */
export type AgentConfig = ReturnType<typeof loadAgentConfig>
