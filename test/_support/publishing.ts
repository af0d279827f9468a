import { type Config, ConfigSchema } from '#lib/contract/config.ts'
import { dataOf, requestInit } from './controller.ts'

const call = (port: number, path: string, body?: object): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, requestInit({ key: 'default-api-key', ...(body ? { body } : {}) }))

/** Publishes to a controller process that has the default key; agents poll, and come back, at most a second later. */
export const publishTo = async (port: number, data: Readonly<Record<string, unknown>>): Promise<Config> =>
  dataOf(await call(port, '/config', { data, poll_interval_seconds: 1 }), 201, ConfigSchema)

/** Reads one version; fails where it is not there. */
export const versionAt = async (port: number, version: number): Promise<Config> => dataOf(await call(port, `/config/${version}`), 200, ConfigSchema)

/** The latest version; 0 where there is none. */
export async function latestAt(port: number): Promise<number> {
  const answer = await call(port, '/config')
  if (answer.status === 404) {
    await answer.text()
    return 0
  }
  return (await dataOf(answer, 200, ConfigSchema)).version
}

/** The bytes of a publish as a client writes them, for tests that need to hold the socket themselves. */
export function publishBytes(data: Readonly<Record<string, unknown>>): Buffer {
  const body = Buffer.from(JSON.stringify({ data, poll_interval_seconds: 1 }))
  const head = `POST /config HTTP/1.1\r\nHost: localhost\r\nX-API-Key: default-api-key\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}
