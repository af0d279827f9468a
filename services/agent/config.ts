import { z } from 'zod'
import { commonEnv, type Environment, headerText, parseEnv, port, serviceUrl, whole } from '#lib/runtime/env.ts'

/** The variables of the agent. */
export const agentEnv = z.object({
  ...commonEnv,
  AGENT_PORT: port(8081).describe('Port of the agent'),
  AGENT_HOST: z.string().default('127.0.0.1').describe('Address it listens on'),
  AGENT_HOSTNAME: z.string().max(255).default('agent-01').describe('Hostname it registers with'),
  AGENT_IP: z.string().max(255).default('127.0.0.1').describe('Address it registers with'),
  CONTROLLER_URL: serviceUrl('http://localhost:6001').describe('Where the controller is'),
  WORKER_URL: serviceUrl('http://localhost:6002').describe('Where the worker of this host is'),
  API_KEY: headerText().default('default-api-key').describe('Key of the controller, and what agents send'),
  WORKER_API_KEY: headerText().optional().describe('Key of the worker, and what its agent sends'),
  POLL_INTERVAL_SECONDS: whole(1, 86_400, 30).describe('Seconds between polls until the controller says otherwise'),
  REQUEST_TIMEOUT_SECONDS: whole(1, 600, 10).describe('How long a call to controller or worker may take'),
})

/** Reads the agent's part of the environment. */
export function loadAgentConfig(environment: Environment = process.env) {
  const env = parseEnv(agentEnv, environment)
  return {
    port: env.AGENT_PORT,
    host: env.AGENT_HOST,
    hostname: env.AGENT_HOSTNAME,
    ip: env.AGENT_IP,
    controllerUrl: env.CONTROLLER_URL,
    workerUrl: env.WORKER_URL,
    /** Which of the two were said, and not taken by default. */
    said: { controllerUrl: Boolean(environment.CONTROLLER_URL), workerUrl: Boolean(environment.WORKER_URL) },
    apiKey: env.API_KEY,
    workerApiKey: env.WORKER_API_KEY,
    pollIntervalSeconds: env.POLL_INTERVAL_SECONDS,
    requestTimeoutMs: env.REQUEST_TIMEOUT_SECONDS * 1000,
    /** How long a long poll is held, in seconds. */
    waitSeconds: 25,
    /** How long a stream may say nothing, in ms: two heartbeats. */
    streamSilenceMs: 30_000,
    /** How often the worker is looked at, in ms: a Go worker forgets its config when it restarts. */
    workerCheckMs: 5000,
    allowedHosts: env.ALLOWED_HOSTS,
    dataDir: env.DATA_DIR,
    maxConfigBytes: env.MAX_CONFIG_BYTES,
    shutdownTimeoutSeconds: env.SHUTDOWN_TIMEOUT_SECONDS,
    logLevel: env.LOG_LEVEL,
    logFormat: env.LOG_FORMAT,
  }
}

/** What the agent runs with. */
export type AgentConfig = ReturnType<typeof loadAgentConfig>
