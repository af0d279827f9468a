import { setTimeout as delay } from 'node:timers/promises'
import { StubServer } from '#test/_support/stub-server.ts'

/**
 * A target that answers each request with another number: a hit that was run twice and told twice would show two
 * results. It tells hits apart as any target can, by the `Idempotency-Key: {task_id}` of each request.
 */
export interface NumberingTarget extends AsyncDisposable {
  readonly url: string
  /** What each request of a hit was answered with, or would be, by its task's id. */
  readonly answers: ReadonlyMap<string, readonly string[]>
  /** Requests that wait for {@link release}. */
  readonly held: number
  /** Answers no request until {@link release}. */
  hold(): void
  /** Answers those that wait, and all that come. */
  release(): void
}

/**
 * Opens one on loopback.
 * @param options.delayMs how long it takes over each answer
 * @param options.beforeAnswer done before an answer is written
 */
export async function openNumberingTarget(options: { readonly delayMs?: number; readonly beforeAnswer?: () => Promise<void> } = {}): Promise<NumberingTarget> {
  const answers = new Map<string, string[]>()
  let held: (() => Promise<void>)[] | undefined
  let number = 0
  const stub = await StubServer.open(async ({ headers }, response) => {
    const taskId = String(headers['idempotency-key'])
    number += 1
    const answer = `answer ${number}`
    answers.set(taskId, [...(answers.get(taskId) ?? []), answer])
    const write = async () => {
      await options.beforeAnswer?.()
      response.end(answer)
    }
    if (held !== undefined) return void held.push(write)
    if (options.delayMs !== undefined) await delay(options.delayMs)
    await write()
  })
  return {
    url: stub.url,
    answers,
    get held() {
      return held?.length ?? 0
    },
    hold: () => {
      held ??= []
    },
    release: () => {
      const waiting = held ?? []
      held = undefined
      for (const write of waiting) void write()
    },
    [Symbol.asyncDispose]: () => stub[Symbol.asyncDispose](),
  }
}
