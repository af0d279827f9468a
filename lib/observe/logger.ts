import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'
import { pinoPretty } from './pretty.ts'
import { linesOfTurn } from './turn-lines.ts'

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

/** @param flush writes at once what was logged: what is wrong must be on record before anything else happens */
const wrap = (log: PinoLogger, flush: () => void = () => {}): Logger => {
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (part: LogPart, message: string, fields?: LogFields) => {
    log[level]({ part, ...fields }, `[${part}] ${message}`)
    if (level === 'warn' || level === 'error') flush()
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), debugEnabled: log.isLevelEnabled('debug') }
}

/**
 * Makes the logger of a service: JSON lines with `part`, or lines for people on a terminal.
 *
 * Lines are written synchronously: warnings and errors at once, since one that was written before a crash is the one that
 * explains it; others with all of their turn of the event loop. (Measured: a write for each hit is a tenth of what the worker does.)
 */
export function createLogger(options: LoggerOptions): Logger {
  const settings = { level: options.level, base: { service: options.service }, timestamp: pino.stdTimeFunctions.isoTime }
  const made = (destination: DestinationStream) => (options.format === 'pretty' ? pino(settings, pinoPretty(destination)) : pino(settings, destination))
  if (options.destination !== undefined) return wrap(made(options.destination))
  const lines = linesOfTurn(pino.destination({ dest: 1, sync: true }))
  return wrap(made(lines), lines.flush)
}

/** A logger that writes nothing, for tests. */
export const silentLogger: Logger = wrap(pino({ level: 'silent' }))
