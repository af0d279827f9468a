import { Writable } from 'node:stream'
import type { DestinationStream } from 'pino'
import pretty from 'pino-pretty'

/** Lines for people: `09:00:00.123 INFO: controller [http] listening …`. Colours only on a terminal without NO_COLOR. */
export function pinoPretty(destination: DestinationStream): DestinationStream {
  const sink = new Writable({
    decodeStrings: false,
    write: (line, _encoding, done) => {
      destination.write(String(line))
      done()
    },
  })
  return pretty({ destination: sink, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname,service,part', messageFormat: '{service} {msg}', singleLine: true })
}
