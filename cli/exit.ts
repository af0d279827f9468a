import { type ErrorCode, isErrorCode } from '#lib/contract/errors.ts'

/** Exit codes: those of sysexits.h, and three of this command's own. */
export const exits = {
  ok: 0,
  /** doctor found something. */
  found: 1,
  /** --wait: not converged in time, or nobody there who reports. */
  timeout: 3,
  /** --wait: some agents failed. */
  failed: 4,
  usage: 64,
  data: 65,
  noInput: 66,
  unavailable: 69,
  internal: 70,
  cannotCreate: 73,
  tryLater: 75,
  noPermission: 77,
  config: 78,
  /** 128 and the number of SIGINT. */
  interrupted: 130,
} as const

/** What ends a command: one line for people, and the exit code. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number
  /** The service's code, where it answered with one. */
  readonly code: string | undefined
  readonly details: readonly { readonly path: string; readonly message: string }[]

  constructor(
    exitCode: number,
    message: string,
    options: { readonly code?: string; readonly details?: readonly { readonly path: string; readonly message: string }[] } = {},
  ) {
    super(message)
    this.exitCode = exitCode
    this.code = options.code
    this.details = options.details ?? []
  }
}

const byCode: Partial<Record<ErrorCode, number>> = {
  UNAUTHORIZED: exits.noPermission,
  FORBIDDEN: exits.noPermission,
  NOT_PERMITTED: exits.noPermission,
  FORBIDDEN_ORIGIN: exits.noPermission,
  TOO_MANY_ATTEMPTS: exits.tryLater,
  BACKLOG_FULL: exits.tryLater,
  INTERNAL: exits.internal,
}

/** The exit code for a service's error. */
export function exitOf(status: number, code: string): number {
  const known = isErrorCode(code) ? byCode[code] : undefined
  if (known !== undefined) return known
  return status >= 500 ? exits.unavailable : exits.data
}
