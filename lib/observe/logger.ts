import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'
import { pinoPretty } from './pretty.ts'

/** The parts of a service that log lines begin with; scripts of the Go system grep for them. */
export type LogPart = 'init' | 'http' | 'queue' | 'config' | 'enqueue' | 'processor' | 'bullmq' | 'embedded' | 'shutdown'

/** Fields of a log line: plain values, never a key, a credential or a body. */
export type LogFields = Readonly<Record<string, unknown>> & { readonly part?: never }

/** Logs lines that begin with their part, `[http] listening …`. */
export interface Logger {
  debug(part: LogPart, message: string, fields?: LogFields): void
  info(part: LogPart, message: string, fields?: LogFields): void
  warn(part: LogPart, message: string, fields?: LogFields): void
  error(part: LogPart, message: string, fields?: LogFields): void
  /** Whether `debug` lines are written; lets a hot path leave out making them. */
  readonly debugEnabled: boolean
}

/** How to log. */
export interface LoggerOptions {
  readonly service: string
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  readonly format: 'pretty' | 'json'
  /** Where lines go; stdout where absent. */
  readonly destination?: DestinationStream
}

const wrap = (log: PinoLogger): Logger => {
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (part: LogPart, message: string, fields?: LogFields) =>
    log[level]({ part, ...fields }, `[${part}] ${message}`)
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), debugEnabled: log.isLevelEnabled('debug') }
}

/**
 * Makes the logger of a service: JSON lines with `part`, or lines for people on a terminal.
 * Synchronous on purpose: a line that was written before a crash is the one that explains it.
 */
export function createLogger(options: LoggerOptions): Logger {
  const settings = { level: options.level, base: { service: options.service }, timestamp: pino.stdTimeFunctions.isoTime }
  const destination = options.destination ?? pino.destination({ dest: 1, sync: true })
  return wrap(options.format === 'pretty' ? pino(settings, pinoPretty(destination)) : pino(settings, destination))
}

/** A logger that writes nothing, for tests. */
export const silentLogger: Logger = wrap(pino({ level: 'silent' }))
