import { z } from 'zod'
import { Child } from './child.ts'
import { API_KEY } from './http-text.ts'
import { configData } from './payloads.ts'
import { keptPort } from './port.ts'
import { bareListen } from './protocol.ts'
import { type Service, startService } from './service.ts'

const EnvelopeSchema = z.object({ data: z.object({ version: z.number() }) })

/** A controller with one published config, and the bare server that answers with the same bytes. */
export interface ConfigPair extends AsyncDisposable {
  readonly controller: Service
  readonly port: number
  readonly bare: Child
  readonly barePort: number
  /** Kills the bare server and starts it again on its port. @returns it */
  restartBare(): Promise<Child>
  /** The version that both begin with. */
  readonly version: number
  /** How long the body of an answer is. */
  readonly bodyBytes: number
}

/** Publishes a config over HTTP. @returns its version */
export async function publish(port: number, data: Readonly<Record<string, unknown>>): Promise<number> {
  const body = JSON.stringify({ data, poll_interval_seconds: 30 })
  const answer = await fetch(`http://127.0.0.1:${port}/config`, { method: 'POST', headers: { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' }, body })
  if (answer.status !== 201) throw new Error(`the publish was answered ${answer.status}: ${await answer.text()}`)
  return EnvelopeSchema.parse(await answer.json()).data.version
}

/**
 * Starts both.
 * @param folder the controller's DATA_DIR
 * @param data what is published first, and what the bare server always answers
 */
export async function startConfigPair(folder: string, data: Readonly<Record<string, unknown>> = configData): Promise<ConfigPair> {
  const controller = await startService('controller', { DATA_DIR: folder, LOG_LEVEL: 'info', CONTROLLER_PORT: String(await keptPort()) })
  const port = controller.port('controller')
  const version = await publish(port, data)
  const body = await (await fetch(`http://127.0.0.1:${port}/config`, { headers: { 'X-API-Key': API_KEY } })).text()
  const [head, tail, ...more] = body.split(/(?<="version":)\d+/)
  if (head === undefined || tail === undefined || more.length > 0) throw new Error(`the controller answered ${JSON.stringify(body)}`)
  let bare = new Child('bare-http')
  const { port: barePort } = await bare.call(bareListen, { version, head, tail, port: await keptPort() })
  return {
    controller,
    port,
    get bare() {
      return bare
    },
    barePort,
    restartBare: async () => {
      await bare[Symbol.asyncDispose]()
      bare = new Child('bare-http')
      await bare.call(bareListen, { version, head, tail, port: barePort })
      return bare
    },
    version,
    bodyBytes: Buffer.byteLength(body),
    [Symbol.asyncDispose]: async () => {
      await bare[Symbol.asyncDispose]()
      await controller[Symbol.asyncDispose]()
    },
  }
}
