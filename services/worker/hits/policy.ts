import { isLoopbackHost } from '#lib/http/origin.ts'
import { StartError } from '#lib/runtime/env.ts'
import { parseRange } from './address.ts'
import type { TargetPolicy } from './guard.ts'

/** What of a worker's configuration decides where its hits may go. */
export interface PolicyInput {
  /** HIT_TARGETS: `any`, or `public` with CIDR ranges; empty where unset. */
  readonly targets: readonly string[]
  readonly apiKey: string | undefined
  /** Where it listens; undefined: everywhere. */
  readonly host: string | undefined
}

/**
 * Reads HIT_TARGETS. Where it is unset, a worker that strangers cannot command takes any target; one that
 * everybody on the network may call without a key takes public ones, else it would be their way inside.
 * @throws StartError where an entry is neither `any`, `public` nor a CIDR range, or `any` stands with others
 */
export function targetPolicy({ targets, apiKey, host }: PolicyInput): TargetPolicy {
  if (targets.length === 0) return apiKey !== undefined || isLoopbackHost(host ?? '') ? 'any' : 'public'
  if (targets.length === 1 && targets[0] === 'any') return 'any'
  const publicAnd = targets.filter((entry) => entry !== 'public')
  const wrong = publicAnd.find((entry) => parseRange(entry) === undefined)
  if (wrong !== undefined) {
    throw new StartError(
      `HIT_TARGETS is "${targets.join(',')}" and must be any, or public and CIDR ranges such as 10.0.0.0/8, parted by commas: "${wrong}" is no range`,
    )
  }
  return publicAnd.length === 0 ? 'public' : { publicAnd }
}
