import type { DestinationStream } from 'pino'
import pretty from 'pino-pretty'

/** Lines for people: `09:00:00 controller [http] listening … port=6001`. Colours only on a terminal without NO_COLOR. */
export function pinoPretty(destination: DestinationStream): DestinationStream {
  return pretty({
    destination: { write: (line: string) => destination.write(line) } as never,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,service,part',
    messageFormat: '{service} {msg}',
    singleLine: true,
  })
}
