import { type ErrorCode, isErrorCode } from '#lib/contract/errors.ts'

/** What the command ends with: the codes of sysexits.h, and four of its own. docs/cli.md is made from this table. */
export const exitTable = {
  ok: [0, 'Done.'],
  found: [1, '`doctor` found something that is wrong.'],
  timeout: [3, '`--wait`: not everywhere in time, no agent that reports is online, or a newer version was published meanwhile.'],
  failed: [4, '`--wait`: some agents failed, or the hit failed.'],
  usage: [64, 'The command line is wrong.'],
  data: [65, 'What was given is refused: a config that breaks a rule, a version that is not the latest, a damaged backup, an audit that is not whole.'],
  noInput: [66, 'A file that was named cannot be read.'],
  unavailable: [69, 'A service cannot be reached, or cannot answer now.'],
  internal: [70, 'Something unforeseen, here or in the service.'],
  cannotCreate: [73, 'A file cannot be written, or is there already.'],
  io: [74, 'The output cannot be written.'],
  tryLater: [75, 'Try again later: too many attempts, or another process holds the database.'],
  noPermission: [77, 'The key is missing, is not accepted, or may not do this.'],
  config: [78, 'The environment or the file of profiles is wrong, or Node.js is too old.'],
  interrupted: [130, 'Ctrl-C. What was published stays published.'],
  terminated: [143, 'SIGTERM.'],
} as const satisfies Record<string, readonly [number, string]>

type ExitName = keyof typeof exitTable

const code = (name: ExitName): number => exitTable[name][0]

/** The numbers alone. */
export const exits: Readonly<Record<ExitName, number>> = {
  ok: code('ok'),
  found: code('found'),
  timeout: code('timeout'),
  failed: code('failed'),
  usage: code('usage'),
  data: code('data'),
  noInput: code('noInput'),
  unavailable: code('unavailable'),
  internal: code('internal'),
  cannotCreate: code('cannotCreate'),
  io: code('io'),
  tryLater: code('tryLater'),
  noPermission: code('noPermission'),
  config: code('config'),
  interrupted: code('interrupted'),
  terminated: code('terminated'),
}

/** A part of what was given, and what is wrong with it. */
export interface Detail {
  readonly path: string
  readonly message: string
}

/** What ends a command: one line for people, and the exit code. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number
  /** The service's code, where it answered with one. */
  readonly code: string | undefined
  readonly details: readonly Detail[]

  constructor(exitCode: number, message: string, options: { readonly code?: string; readonly details?: readonly Detail[] } = {}) {
    super(message)
    this.exitCode = exitCode
    this.code = options.code
    this.details = options.details ?? []
  }
}

const byCode: Partial<Record<ErrorCode, ExitName>> = {
  UNAUTHORIZED: 'noPermission',
  FORBIDDEN: 'noPermission',
  NOT_PERMITTED: 'noPermission',
  FORBIDDEN_ORIGIN: 'noPermission',
  TOO_MANY_ATTEMPTS: 'tryLater',
  BACKLOG_FULL: 'tryLater',
  INTERNAL: 'internal',
}

/** The exit code for a service's error. */
export function exitOf(status: number, code: string): number {
  const known = isErrorCode(code) ? byCode[code] : undefined
  if (known !== undefined) return exits[known]
  if (status === 401 || status === 403) return exits.noPermission
  if (status === 429) return exits.tryLater
  return status >= 500 ? exits.unavailable : exits.data
}

/** The words of an error. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
