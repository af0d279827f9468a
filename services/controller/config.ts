import { join } from 'node:path'
import { z } from 'zod'
import { trustedProxies } from '#lib/http/address.ts'
import { admissionEnv, commonEnv, type Environment, headerText, parseEnv, port, serviceUrlOptional, tracingOf } from '#lib/runtime/env.ts'
import { keyFile, keyOf } from '#lib/runtime/key-file.ts'

/** The key that every example uses: it protects nothing, so a controller that has only it stays on loopback. */
export const DEFAULT_API_KEY = 'default-api-key'

/** The variables of the controller. */
export const controllerEnv = z.object({
  ...commonEnv,
  ...admissionEnv,
  CONTROLLER_PORT: port(6001).describe('Port of the controller'),
  CONTROLLER_HOST: z.string().optional().describe('Address it listens on; where unset, all with a key of its own, else 127.0.0.1'),
  CONTROLLER_DB_PATH: z.string().optional().describe('Database file; where unset, controller.db in DATA_DIR'),
  TRUSTED_PROXIES: trustedProxies().describe('Addresses and networks of proxies whose X-Forwarded-For is believed, parted by commas'),
  CONSOLE_WORKER_URL: serviceUrlOptional().describe('A worker whose hits the console shows and operates; where unset, that of npm start, else none'),
  WORKER_API_KEY: headerText().optional().describe('Key of the worker, and what its agent sends'),
  WORKER_API_KEY_FILE: keyFile().describe('Instead of WORKER_API_KEY a file that holds it; read at the start'),
  API_KEY: headerText().default(DEFAULT_API_KEY).describe('Key of the controller, and what agents send'),
  API_KEY_FILE: keyFile().describe('Instead of API_KEY a file that holds it; an agent reads it again when it changes'),
})

/** Reads the controller's part of the environment. */
export function loadControllerConfig(environment: Environment = process.env) {
  const env = parseEnv(controllerEnv, environment)
  const { key } = keyOf('API_KEY', env.API_KEY, env.API_KEY_FILE, DEFAULT_API_KEY)
  const ownKey = key !== DEFAULT_API_KEY
  return {
    port: env.CONTROLLER_PORT,
    /** Undefined: all addresses. */
    host: env.CONTROLLER_HOST ?? (ownKey ? undefined : '127.0.0.1'),
    ownKey,
    apiKey: key,
    dbPath: env.CONTROLLER_DB_PATH ?? join(env.DATA_DIR, 'controller.db'),
    allowedHosts: env.ALLOWED_HOSTS,
    trustedProxies: env.TRUSTED_PROXIES,
    /** Undefined: the console shows no hits. */
    ...(env.CONSOLE_WORKER_URL === undefined ? {} : { consoleWorkerUrl: env.CONSOLE_WORKER_URL }),
    workerApiKey: keyOf('WORKER_API_KEY', env.WORKER_API_KEY, env.WORKER_API_KEY_FILE).key,
    maxConfigBytes: env.MAX_CONFIG_BYTES,
    admission: { max_in_progress: env.MAX_REQUESTS_IN_PROGRESS, max_new_connections_per_second: env.MAX_NEW_CONNECTIONS_PER_SECOND },
    tracing: tracingOf(env, 'dcm-controller'),
    shutdownTimeoutSeconds: env.SHUTDOWN_TIMEOUT_SECONDS,
    logLevel: env.LOG_LEVEL,
    logFormat: env.LOG_FORMAT,
  }
}

/** What the controller runs with. */
export type ControllerConfig = ReturnType<typeof loadControllerConfig> & { readonly consoleWorkerUrl?: string }
