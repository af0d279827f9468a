import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { z } from 'zod'
import { type HitResult, HitResultSchema, isFinalStatus } from '#lib/contract/hit.ts'

const AnswerSchema = z.object({ status: z.number(), data: z.unknown().optional(), error: z.object({ code: z.string() }).optional() })
const AcceptedSchema = z.object({ task_id: z.uuid(), status: z.literal('queued') })

/** What fetch says of a connection that broke: the worker went, before its answer or in it. */
export const isGone = (error: unknown): boolean => error instanceof TypeError && /^(?:fetch failed|terminated)$/.test(error.message)

/** How long an answer may take while the queue is away, in ms: a second, and what a machine adds that is busy with other tests. */
const NEVER_A_HANG_MS = 10_000

/** What was acknowledged with 202, what is known of it, and that this never changes. */
export class HitLedger {
  readonly acknowledged = new Set<string>()
  /** Final results, as they were first read. */
  readonly results = new Map<string, HitResult>()
  /** Hits that were refused with 503. */
  refused = 0
  readonly #excused = new Set<string>()
  readonly #workerDies: boolean

  /** @param options.workerDies whether the worker is killed meanwhile: an answer may then never come, and says nothing */
  constructor(options: { readonly workerDies?: boolean } = {}) {
    this.#workerDies = options.workerDies ?? false
  }

  /** Says that what was acknowledged so far may be lost, as the docs say of a store that keeps nothing: it may be unknown from now on. */
  excuse(): void {
    for (const taskId of this.acknowledged) this.#excused.add(taskId)
    this.results.clear()
  }

  /** Asks for a hit; false where it was refused or the worker is gone. Another answer than 202 and 503 fails the test. */
  async post(port: number): Promise<boolean> {
    const start = performance.now()
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/hit`, { method: 'POST' })
      const { status, data, error } = AnswerSchema.parse(await answer.json())
      expect(performance.now() - start).toBeLessThan(NEVER_A_HANG_MS)
      if (status === 202) {
        const { task_id } = AcceptedSchema.parse(data)
        expect(this.acknowledged, 'a task id was given twice').not.toContain(task_id)
        this.acknowledged.add(task_id)
        return true
      }
      expect([status, error?.code, answer.headers.get('Retry-After')]).toEqual([503, 'QUEUE_UNAVAILABLE', '1'])
      this.refused += 1
      return false
    } catch (error) {
      if (this.#workerDies && isGone(error)) return false
      throw error
    }
  }

  /**
   * Reads a hit, and fails the test where its final result is another than the one that was read before.
   * @returns undefined where the worker knows of no such task, or cannot say
   */
  async read(port: number, taskId: string): Promise<HitResult | undefined> {
    const answer = await fetch(`http://127.0.0.1:${port}/hit/${taskId}`)
    const { status, data, error } = AnswerSchema.parse(await answer.json())
    const before = this.results.get(taskId)
    if (status !== 200) {
      expect([404, 500]).toContain(status)
      expect(error?.code).toBe(status === 404 ? 'NOT_FOUND' : 'RESULT_FETCH_FAILED')
      if (status === 404) expect(before, `the result of ${taskId} was read, and is gone`).toBeUndefined()
      return undefined
    }
    const result = HitResultSchema.parse(data)
    if (before !== undefined) expect(result).toEqual(before)
    else if (isFinalStatus(result.status)) this.results.set(taskId, result)
    return result
  }

  /** Waits until every acknowledged hit has ended, or is unknown where that was excused, then reads each once more. */
  async allEnd(port: number, ms: number): Promise<void> {
    const deadline = performance.now() + ms
    const open = new Set(this.acknowledged)
    while (open.size > 0) {
      for (const taskId of open) {
        const result = await this.read(port, taskId)
        const ended = result === undefined ? this.#excused.has(taskId) : isFinalStatus(result.status)
        if (ended) open.delete(taskId)
      }
      if (open.size > 0 && performance.now() > deadline) {
        const [one = ''] = open
        throw new Error(
          `${open.size} of ${this.acknowledged.size} acknowledged hits have not ended after ${ms} ms: ${JSON.stringify(await this.read(port, one))}`,
        )
      }
      await delay(20)
    }
    for (const taskId of this.results.keys()) await this.read(port, taskId)
  }
}
