// npm run demo: the three services in this process, a target of its own, and what happens between a publish and
// a hit's result. It uses free ports and a folder that it removes again, so it disturbs nothing.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadAgentConfig } from '#services/agent/config.ts'
import { startAgent } from '#services/agent/start.ts'
import { createControllerClient } from '#services/controller/client.ts'
import { loadControllerConfig } from '#services/controller/config.ts'
import { startController } from '#services/controller/start.ts'
import { createWorkerClient } from '#services/worker/client.ts'
import { loadWorkerConfig } from '#services/worker/config.ts'
import { startWorker } from '#services/worker/start.ts'

const say = (line: string) => console.log(line)
const since = (start: number) => `${(performance.now() - start).toFixed(0)} ms`

/** A target that greets by path, so that one sees which config a hit was made with. */
async function startTarget(): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => response.end(`hello from ${request.url}`))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('Cannot start the target: it got no port')
  return { url: `http://127.0.0.1:${address.port}`, close: () => server.close() }
}

const dataDir = mkdtempSync(join(tmpdir(), 'dcm-demo-'))
const common = { DATA_DIR: dataDir, LOG_LEVEL: 'warn', HIT_QUEUE: 'embedded' }
const target = await startTarget()
const controller = await startController(loadControllerConfig({ ...common, CONTROLLER_PORT: '0' }))
const worker = await startWorker(loadWorkerConfig({ ...common, WORKER_PORT: '0' }))
const controllerUrl = `http://127.0.0.1:${controller.port}`
const workerUrl = `http://127.0.0.1:${worker.port}`
const agent = await startAgent(loadAgentConfig({ ...common, AGENT_PORT: '0', CONTROLLER_URL: controllerUrl, WORKER_URL: workerUrl }))

const controllerClient = createControllerClient(controllerUrl, { apiKey: 'default-api-key' })
const workerClient = createWorkerClient(workerUrl)

/** Publishes, and waits until the worker says that it has that version. */
async function publishAndFollow(path: string): Promise<void> {
  const start = performance.now()
  const answer = await controllerClient.config.$post({ query: {}, json: { data: { url: `${target.url}${path}` } }, header: {} })
  if (answer.status !== 201) throw new Error(`Cannot publish: ${(await answer.json()).message}`)
  const published = await answer.json()
  say(`published version ${published.data.version} with url ${target.url}${path}: durable after ${since(start)}`)
  for (;;) {
    const held = await (await workerClient.config.$get()).json()
    if (held.success && held.data.version === published.data.version) break
    await new Promise((resolve) => setImmediate(resolve))
  }
  say(`  the worker has it ${since(start)} after the publish began`)
}

/** Hits, and shows the result. */
async function hit(): Promise<void> {
  const start = performance.now()
  const answer = await (await workerClient.hit.$get({ query: { wait: '10' }, header: {} })).json()
  if (!answer.success) throw new Error(`Cannot hit: ${answer.message}`)
  say(`  hit ${answer.data.task_id} ${answer.data.status} after ${since(start)}: ${JSON.stringify(answer.data)}`)
}

try {
  say(`controller ${controllerUrl}, agent http://127.0.0.1:${agent.port}, worker ${workerUrl} (embedded queue)\n`)
  await publishAndFollow('/first')
  await hit()
  say('')
  await publishAndFollow('/second')
  await hit()
} finally {
  for (const service of [agent, worker, controller]) await service.stop(AbortSignal.timeout(3000))
  target.close()
  rmSync(dataDir, { recursive: true, force: true })
}
say('\nNow with your own: npm start')
