import { join } from 'node:path'
import { z } from 'zod'
import { silentLogger } from '#lib/observe/logger.ts'
import { createAgentApp } from '#services/agent/app.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { openAgentDeps } from '#services/agent/deps.ts'
import { createControllerApp } from '#services/controller/app.ts'
import { loadControllerConfig } from '#services/controller/config.ts'
import { openControllerDeps } from '#services/controller/deps.ts'
import { createWorkerApp } from '#services/worker/app.ts'
import { loadWorkerConfig } from '#services/worker/config.ts'
import { openWorkerDeps } from '#services/worker/deps.ts'

const DocumentSchema = z.object({
  info: z.object({ title: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), z.object({ summary: z.string(), responses: z.record(z.string(), z.unknown()) }))),
})

/** The table of one service, from its own OpenAPI document. */
async function tableOf(app: { request(path: string): Response | Promise<Response> }): Promise<string> {
  const document = DocumentSchema.parse(await (await app.request('/openapi.json')).json())
  const rows = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { summary, responses }]) => `| \`${method.toUpperCase()} ${path}\` | ${summary} | ${Object.keys(responses).join(' ')} |`,
    ),
  )
  return [`**${document.info.title}**`, '', '| route | what it does | answers |', '|---|---|---|', ...rows].join('\n')
}

/**
 * The tables of the routes of all services.
 * @param scratch a folder for what the services want to keep
 */
export async function routesTable(scratch: string): Promise<string> {
  const env = { DATA_DIR: scratch, HIT_QUEUE: 'embedded' }
  const controller = await openControllerDeps(loadControllerConfig({ ...env, CONTROLLER_DB_PATH: join(scratch, 'controller.db') }), { logger: silentLogger })
  const worker = await openWorkerDeps(loadWorkerConfig(env), { logger: silentLogger })
  const agent = openAgentDeps(loadAgentConfig(env), () => 8081, { logger: silentLogger })
  try {
    const tables = [
      await tableOf(localApp(createControllerApp(controller))),
      await tableOf(localApp(createAgentApp(agent))),
      await tableOf(localApp(createWorkerApp(worker.deps))),
    ]
    return tables.join('\n\n')
  } finally {
    agent.release()
    await controller.store[Symbol.asyncDispose]()
    await worker.deps.queue[Symbol.asyncDispose]()
    await worker.executor.close()
  }
}

/** An app called as from this machine. */
const localApp = (app: { request(path: string, init: RequestInit): Response | Promise<Response> }) => ({
  request: (path: string) => app.request(`http://localhost${path}`, {}),
})
