import { type HitResult, isFinalStatus } from '../contract/hit.ts'
import { isTaskId } from './stored-job.ts'

type Wake = (result: HitResult | undefined) => void

/** Who waits for which task's end, in this process. An entry lives only as long as its wait. */
export class EndWaiters {
  readonly #waiting = new Map<string, Set<Wake>>()

  /** The tasks that somebody waits for at this moment. */
  get taskIds(): string[] {
    return [...this.#waiting.keys()]
  }

  /** Wakes those who wait for this task; called once its result is stored. */
  notify(result: HitResult): void {
    for (const wake of this.#waiting.get(result.task_id) ?? []) wake(result)
  }

  /** Wakes everybody without a result: the queue is being closed. */
  releaseAll(): void {
    for (const wakes of this.#waiting.values()) for (const wake of wakes) wake(undefined)
  }

  /**
   * Waits until the task is final or the signal aborts.
   * @param find asked at the start (after listening, so that an end in between is not missed) and at an abort
   * @returns what is known then; undefined at once for a task that is not known, or cannot be one
   */
  async wait(taskId: string, signal: AbortSignal, find: (taskId: string) => Promise<HitResult | undefined>): Promise<HitResult | undefined> {
    // Before it is listed: what is listed is looked for in the store.
    if (!isTaskId(taskId)) return undefined
    const { promise, resolve } = Promise.withResolvers<HitResult | undefined>()
    const onAbort = () => resolve(undefined)
    const wakes = this.#waiting.get(taskId) ?? new Set<Wake>()
    this.#waiting.set(taskId, wakes.add(resolve))
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const found = await find(taskId)
      if (signal.aborted || found === undefined || isFinalStatus(found.status)) return found
      return (await promise) ?? (await find(taskId))
    } finally {
      signal.removeEventListener('abort', onAbort)
      wakes.delete(resolve)
      if (wakes.size === 0 && this.#waiting.get(taskId) === wakes) this.#waiting.delete(taskId)
    }
  }
}
