import { createRequire } from 'node:module'
import { Writable } from 'node:stream'
import type { DestinationStream } from 'pino'

/**
 * Lines for people: `09:00:00.123 INFO: controller [http] listening …`. Colours only on a terminal without NO_COLOR.
 * The formatter is loaded here and not at the top: a service that logs JSON does not carry it in memory.
 */
export function pinoPretty(destination: DestinationStream): DestinationStream {
  const pretty: typeof import('pino-pretty') = createRequire(import.meta.url)('pino-pretty')
  const sink = new Writable({
    decodeStrings: false,
    write: (line, _encoding, done) => {
      destination.write(String(line))
      done()
    },
  })
  return pretty({ destination: sink, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname,service,part', messageFormat: '{service} {msg}', singleLine: true })
}
