import { z } from 'zod'
import { AgentStatusSchema } from '#lib/contract/agent.ts'
import { type HitResult, HitResultSchema, isFinalStatus } from '#lib/contract/hit.ts'
import { createAgentClient } from '#services/agent/client.ts'
import { TestProcess } from './process.ts'

/** Starts a service as a real process; its ports are the kernel's choice unless `env` says otherwise. */
export const startService = (service: 'controller' | 'agent' | 'worker' | 'all', env: Readonly<Record<string, string>>): TestProcess =>
  new TestProcess(service === 'all' ? 'services/all.ts' : `services/${service}/main.ts`, {
    env: { CONTROLLER_PORT: '0', AGENT_PORT: '0', WORKER_PORT: '0', HIT_QUEUE: 'embedded', LOG_LEVEL: 'info', LOG_FORMAT: 'json', ...env },
  })

const key = { 'X-API-Key': 'default-api-key', 'Content-Type': 'application/json' }
const EnvelopeSchema = z.object({ status: z.number(), data: z.unknown() })

/** The status and data of an answer. */
async function answerOf(response: Response): Promise<{ readonly status: number; readonly data: unknown }> {
  return EnvelopeSchema.parse(await response.json())
}

/** Publishes a url; gives the version. */
export async function publishUrl(controllerPort: number, url: string): Promise<number> {
  const answer = await answerOf(
    await fetch(`http://127.0.0.1:${controllerPort}/config`, {
      method: 'POST',
      headers: key,
      body: JSON.stringify({ data: { url }, poll_interval_seconds: 1 }),
    }),
  )
  if (answer.status !== 201) throw new Error(`the publish was answered with ${JSON.stringify(answer)}`)
  return z.object({ version: z.number() }).parse(answer.data).version
}

/** The version that the worker holds; undefined while it has none or cannot be reached. */
export async function workerVersion(workerPort: number): Promise<number | undefined> {
  const answer = await answerOf(await fetch(`http://127.0.0.1:${workerPort}/config`))
  return answer.status === 200 ? z.object({ version: z.number() }).parse(answer.data).version : undefined
}

/** `/status` of an agent, which on a relay needs the key. */
export async function agentStatus(agentPort: number) {
  const answer = await createAgentClient(`http://127.0.0.1:${agentPort}`, { apiKey: 'default-api-key' }).status.$get()
  return AgentStatusSchema.parse((await answer.json()).data)
}

/** Queues a hit; the status, and the task's id where it was accepted. */
export async function queueHit(workerPort: number): Promise<{ readonly status: number; readonly taskId: string | undefined }> {
  const answer = await answerOf(await fetch(`http://127.0.0.1:${workerPort}/hit`))
  const accepted = z.object({ task_id: z.string() }).safeParse(answer.data)
  return { status: answer.status, taskId: accepted.success ? accepted.data.task_id : undefined }
}

/** The final result of a hit; undefined while it is not final. */
export async function finalResult(workerPort: number, taskId: string, waitSeconds = 10): Promise<HitResult | undefined> {
  const answer = await answerOf(await fetch(`http://127.0.0.1:${workerPort}/hit/${taskId}?wait=${waitSeconds}`))
  if (answer.status !== 200) throw new Error(`task ${taskId} was answered with ${JSON.stringify(answer)}`)
  const result = HitResultSchema.parse(answer.data)
  return isFinalStatus(result.status) ? result : undefined
}
