import { z } from 'zod'
import { createAgentApp } from '#services/agent/app.ts'
import { createControllerApp } from '#services/controller/app.ts'
import { createWorkerApp } from '#services/worker/app.ts'
import { openServices } from './services.ts'

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
  await using services = await openServices(scratch)
  const tables = [
    await tableOf(localApp(createControllerApp(services.controller))),
    await tableOf(localApp(createAgentApp(services.agent))),
    await tableOf(localApp(createWorkerApp(services.worker))),
  ]
  return tables.join('\n\n')
}

/** An app called as from this machine. */
const localApp = (app: { request(path: string, init: RequestInit): Response | Promise<Response> }) => ({
  request: (path: string) => app.request(`http://localhost${path}`, {}),
})
