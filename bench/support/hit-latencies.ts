import type { Child } from './child.ts'
import type { HitSide } from './hit-side.ts'
import { resetTarget, runOpenLoop, targetMet, targetStarts } from './protocol.ts'

/** How hits are asked for. */
export interface Pace {
  readonly per_second: number
  readonly ms: number
}

/**
 * Asks for hits at a steady rate.
 * @param target answers them at once
 * @returns from when each `POST /hit` was due to when its request reached the target, in ms: HTTP, the write that the 202
 *   waits for, the line and the connection to the target are all in it
 */
export async function startLatencies(load: Child, target: Child, side: HitSide, pace: Pace): Promise<number[]> {
  await target.call(resetTarget, { hold: false })
  const { due_ms } = await load.call(runOpenLoop, { port: side.port, request: side.request, ...pace })
  const due = Object.entries(due_ms)
  await target.call(targetMet, { count: due.length })
  const { starts_ms } = await target.call(targetStarts, {})
  return due.map(([taskId, at]) => {
    const start = starts_ms[taskId]
    if (start === undefined) throw new Error(`hit ${taskId} was accepted, and never came to the target`)
    return start - at
  })
}
