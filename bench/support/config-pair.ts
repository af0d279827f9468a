import { z } from 'zod'
import { Child } from './child.ts'
import { API_KEY } from './http-text.ts'
import { configData } from './payloads.ts'
import { bareListen } from './protocol.ts'
import { type Service, startService } from './service.ts'

const EnvelopeSchema = z.object({ data: z.object({ version: z.number() }) })

/** A controller with one published config, and the bare server that answers with the same bytes. */
export interface ConfigPair extends AsyncDisposable {
  readonly controller: Service
  readonly port: number
  readonly bare: Child
  readonly barePort: number
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
 */
export async function startConfigPair(folder: string): Promise<ConfigPair> {
  const controller = await startService('controller', { DATA_DIR: folder, LOG_LEVEL: 'info' })
  const port = controller.port('controller')
  const version = await publish(port, configData)
  const body = await (await fetch(`http://127.0.0.1:${port}/config`, { headers: { 'X-API-Key': API_KEY } })).text()
  const [head, tail, ...more] = body.split(/(?<="version":)\d+/)
  if (head === undefined || tail === undefined || more.length > 0) throw new Error(`the controller answered ${JSON.stringify(body)}`)
  const bare = new Child('bare-http')
  const { port: barePort } = await bare.call(bareListen, { version, head, tail })
  return {
    controller,
    port,
    bare,
    barePort,
    version,
    bodyBytes: Buffer.byteLength(body),
    [Symbol.asyncDispose]: async () => {
      await bare[Symbol.asyncDispose]()
      await controller[Symbol.asyncDispose]()
    },
  }
}
