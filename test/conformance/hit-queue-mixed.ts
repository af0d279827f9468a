import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isFinalStatus } from '#lib/contract/hit.ts'
import type { HitProcessor, HitQueue } from '#lib/queue/port.ts'
import { completed, failed, type HitQueueHarness, idsOf, newJob, retryIn, tried, until } from './harness.ts'

/** What a hit does from when it is queued, or queued again, until it stops: some steps that come again soon, and an end. */
interface Script {
  readonly steps: readonly ('retry' | 'retry at once' | 'release' | 'release later')[]
  readonly end: 'completed' | 'failed' | 'put off'
}

/** A task as it should be. */
interface Task {
  readonly id: string
  /** The last one is run now. */
  readonly scripts: Script[]
  at: number
  state: 'queued' | Script['end']
}

type Operation =
  | { readonly do: 'enqueue'; readonly scripts: readonly Script[]; readonly key: number | undefined }
  | { readonly do: 'retry'; readonly which: number; readonly next: Script }
  | { readonly do: 'retry failed'; readonly most: number; readonly next: Script }
  | { readonly do: 'run' | 'restart' }

const script: fc.Arbitrary<Script> = fc.record({
  steps: fc.array(fc.constantFrom('retry', 'retry at once', 'release', 'release later'), { maxLength: 3 }),
  end: fc.constantFrom('completed', 'failed', 'failed', 'put off'),
})

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('enqueue'), scripts: fc.array(script, { maxLength: 4 }), key: fc.option(fc.nat(2), { nil: undefined }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('run') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('retry'), which: fc.nat(20), next: script }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('retry failed'), most: fc.integer({ min: 1, max: 5 }), next: script }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart') }) },
)

/** The queue beside a model of it: all hits, in the order of the line. Hits begin only in {@link Mixed.run}. */
class Mixed {
  readonly #harness: HitQueueHarness
  readonly #concurrency: number
  readonly #tasks: Task[] = []
  readonly #keys = new Map<number, string>()
  #queue: HitQueue | undefined

  constructor(harness: HitQueueHarness, concurrency: number) {
    this.#harness = harness
    this.#concurrency = concurrency
  }

  async apply(operation: Operation): Promise<void> {
    if (operation.do === 'enqueue') await this.#enqueue(operation.scripts, operation.key)
    else if (operation.do === 'retry') await this.#retry(this.#tasks[operation.which], operation.next)
    else if (operation.do === 'retry failed') await this.#retryFailed(operation.most, operation.next)
    else if (operation.do === 'run') await this.run()
    else await this.restart()
    await this.#check()
  }

  /** Lets all that wait in line run to where they stop. */
  async run(): Promise<void> {
    const queue = this.#open
    await queue.resume()
    await until('all have run', async () => {
      const { queued, active } = await queue.counts()
      return queued === 0 && active === 0 && this.#of('queued').length === 0
    })
    await queue.pause()
  }

  async restart(): Promise<void> {
    await this.#queue?.[Symbol.asyncDispose]()
    this.#queue = await this.#harness.open()
    await this.#queue.pause()
    this.#queue.start(this.#process, { concurrency: this.#concurrency })
  }

  get #open(): HitQueue {
    if (this.#queue === undefined) throw new Error('the queue is not open')
    return this.#queue
  }

  #of(state: Task['state']): Task[] {
    return this.#tasks.filter((task) => task.state === state)
  }

  readonly #process: HitProcessor = async ({ task_id }, { attempt, again }) => {
    const task = this.#tasks.find(({ id }) => id === task_id)
    const { steps, end } = task?.scripts.at(-1) ?? {}
    if (task === undefined || steps === undefined || end === undefined) throw new Error(`ran ${task_id}, which nobody enqueued`)
    expect(attempt).toBe(1 + steps.slice(0, task.at).filter((step) => step.startsWith('retry')).length)
    expect(again).toBe(task.at > 0 || task.scripts.length > 1)
    const step = steps[task.at]
    task.at += 1
    if (step === 'release' || step === 'release later') return { kind: 'release', delay_ms: step === 'release' ? 0 : 3 }
    if (step !== undefined) return { ...retryIn(step === 'retry' ? 3 : 0), tried: tried(attempt) }
    task.state = end
    if (end === 'put off') return { ...retryIn(60_000), tried: tried(attempt) }
    return { ...(end === 'completed' ? completed : failed), tried: tried(attempt) }
  }

  async #enqueue(scripts: readonly Script[], key: number | undefined): Promise<void> {
    const jobs = scripts.map(() => newJob())
    const [only] = jobs
    if (jobs.length === 1 && only !== undefined) {
      const holder = key === undefined ? undefined : this.#keys.get(key)
      const answer = await this.#open.enqueue(only, key === undefined ? {} : { idempotencyKey: `key ${key}` })
      expect(answer).toEqual({ task_id: holder ?? only.task_id, duplicate: holder !== undefined })
      if (holder !== undefined) return
      if (key !== undefined) this.#keys.set(key, only.task_id)
    } else await this.#open.enqueueMany(jobs)
    for (const [index, script] of scripts.entries()) this.#tasks.push({ id: jobs[index]?.task_id ?? '', scripts: [script], at: 0, state: 'queued' })
  }

  async #retry(task: Task | undefined, next: Script): Promise<void> {
    if (task === undefined) return
    const ended = task.state === 'completed' || task.state === 'failed'
    expect(await this.#open.retry(task.id)).toBe(ended ? 'retried' : 'unfinished')
    if (ended) this.#queuedAgain(task, next)
  }

  async #retryFailed(most: number, next: Script): Promise<void> {
    const longestFirst = (await idsOf(this.#open, 'failed')).toReversed()
    expect(await this.#open.retryFailed(most)).toEqual({ retried: Math.min(most, longestFirst.length), remaining: longestFirst.length > most })
    for (const id of longestFirst.slice(0, most))
      this.#queuedAgain(
        this.#tasks.find((task) => task.id === id),
        next,
      )
  }

  /** To the end of the line. */
  #queuedAgain(task: Task | undefined, next: Script): void {
    if (task === undefined) throw new Error('a hit failed that nobody enqueued')
    this.#tasks.splice(this.#tasks.indexOf(task), 1)
    this.#tasks.push({ id: task.id, scripts: [...task.scripts, next], at: 0, state: 'queued' })
  }

  async #check(): Promise<void> {
    const queue = this.#open
    const ids = (state: Task['state']) => this.#of(state).map(({ id }) => id)
    expect(await queue.counts()).toMatchObject({
      queued: ids('queued').length,
      active: 0,
      delayed: ids('put off').length,
      completed: ids('completed').length,
      failed: ids('failed').length,
      paused: true,
    })
    expect(await idsOf(queue, 'queued', 3)).toEqual(ids('queued'))
    expect((await idsOf(queue, 'pending', 2)).toSorted()).toEqual(ids('put off').toSorted())
    expect((await idsOf(queue, 'completed', 2)).toSorted()).toEqual(ids('completed').toSorted())
    expect((await idsOf(queue, 'failed', 2)).toSorted()).toEqual(ids('failed').toSorted())
    for (const { id, state, scripts } of this.#tasks) {
      const found = await queue.find(id)
      // One that is queued again may have its old result until it is run.
      if (state === 'queued' && scripts.length > 1 && found !== undefined && isFinalStatus(found.status)) continue
      expect(found?.status).toBe(state === 'put off' ? 'pending' : state)
      const done = state === 'queued' ? scripts.slice(0, -1) : scripts
      const charged = done.map(({ steps }) => 1 + steps.filter((step) => step.startsWith('retry')).length)
      expect(found?.attempts).toBe(state === 'queued' ? 0 : charged.at(-1))
      expect(found?.history?.length ?? 0).toBe(charged.reduce((sum, n) => sum + n, 0))
    }
  }
}

/**
 * What every engine keeps, whatever is done in whatever order: its counts, its lists, its line and its histories are
 * those of a simple model.
 * @param options.runs how many sequences are tried
 */
export function hitQueueMixed(makeHarness: () => Promise<HitQueueHarness>, { runs }: { readonly runs: number }): void {
  test('whatever is enqueued, run, retried and restarted, in whatever order: the queue is as a model of it', { timeout: 120_000 }, async () => {
    const scenario = fc.asyncProperty(fc.array(operation, { minLength: 2, maxLength: 14 }), fc.integer({ min: 1, max: 4 }), async (operations, concurrency) => {
      await using harness = await makeHarness()
      const mixed = new Mixed(harness, concurrency)
      await mixed.restart()
      for (const each of operations) await mixed.apply(each)
      await mixed.apply({ do: 'run' })
    })
    await fc.assert(scenario, { numRuns: runs })
  })
}
