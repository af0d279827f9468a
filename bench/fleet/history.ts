/** A version that an agent took, and when: {@link monotonicMs}. */
export interface Held {
  readonly version: number
  readonly at: number
}

/** A time in which an agent followed nobody, and knew it. */
export interface Outage {
  readonly from: number
  /** Undefined where it has not ended. */
  readonly to: number | undefined
}

/** All that happened to an agent. */
export interface History {
  /** In the order in which they came. */
  readonly held: readonly Held[]
  readonly outages: readonly Outage[]
}

/** A publish, and when it was sent. */
export interface Published {
  readonly version: number
  readonly at: number
}

/** What an agent may take to a publish, in ms. */
export interface Allowance {
  /** Where nothing was lost on the way. */
  readonly undisturbed_ms: number
  /** Where the agent was cut off meanwhile. */
  readonly disturbed_ms: number
  /** Whether each version must come: a poll sees only what is latest when it asks. */
  readonly every_version: boolean
}

/** When an agent first held this version or a later one. */
export const reachedAt = (held: readonly Held[], version: number): number | undefined => held.find((each) => each.version >= version)?.at

const cutOff = ({ outages }: History, from: number, to: number): boolean => outages.some((outage) => outage.from <= to && (outage.to ?? Infinity) >= from)

/**
 * Looks through an agent's history for what must not be in it: a version after a later one (guarantee 2), a version
 * that was left out or came late without a reason, a latest version that never came (guarantee 3).
 * @param published in the order of their versions
 * @param now when the history was closed
 * @returns what is wrong, in words; nothing where all is well
 */
export function problemsOf(history: History, published: readonly Published[], allowance: Allowance, now: number): string[] {
  const { held } = history
  const problems: string[] = []
  for (const [index, { version }] of held.entries()) {
    const before = held[index - 1]
    if (before !== undefined && version <= before.version) problems.push(`took version ${version} after version ${before.version}`)
  }
  for (const { version, at } of published) {
    const reached = reachedAt(held, version)
    const disturbed = cutOff(history, at, reached ?? now)
    const allowed = disturbed ? allowance.disturbed_ms : allowance.undisturbed_ms
    if (reached === undefined) {
      const waited = now - at
      if (waited > allowed) problems.push(`did not get version ${version} within ${waited.toFixed(0)} ms, holds ${held.at(-1)?.version ?? 'none'}`)
    } else if (reached - at > allowed) {
      problems.push(`got version ${version} after ${(reached - at).toFixed(0)} ms, at most ${allowed} are allowed${disturbed ? ' after an outage' : ''}`)
    } else if (allowance.every_version && !disturbed && !held.some((each) => each.version === version)) {
      problems.push(`never saw version ${version}, though it was connected and saw a later one`)
    }
  }
  return problems
}
