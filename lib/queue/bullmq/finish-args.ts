import type { MinimalJob } from 'bullmq'
import { moveToFinished } from 'bullmq/dist/cjs/scripts/index.js'
import type { ScriptArgument } from './lua.ts'

/** What BullMQ makes keys and arguments of its script from; those of an end are all the same but for these. */
export interface FinishFacts {
  readonly job: MinimalJob
  readonly state: 'completed' | 'failed'
  /** Kept with the ended job. */
  readonly value: string
  readonly token: string
  /** ms since the epoch. */
  readonly at: number
  readonly fetchNext: boolean
}

/** How many tokens are remembered; a worker uses about one a slot. */
const MAX_TOKENS = 10_000

/** Where in BullMQ's arguments its packed options stand. */
const OPTIONS = moveToFinished.keys + 7

/**
 * Keys and arguments of BullMQ's script for ends. BullMQ's own way to make them costs a twentieth of a hit, and its answer differs
 * by little: so it is asked once for each token of a lock, and what is made here is compared with its answer.
 */
export class FinishArgs {
  readonly #ask: (facts: FinishFacts) => (string | number | boolean | Buffer | undefined)[]
  readonly #prefix: string
  /** BullMQ's packed options by token. */
  readonly #packed = new Map<string, ScriptArgument>()
  #keys: readonly string[] = []

  /**
   * @param ask BullMQ's own way
   * @param prefix what a job's id is put behind
   */
  constructor(ask: (facts: FinishFacts) => (string | number | boolean | Buffer | undefined)[], prefix: string) {
    this.#ask = ask
    this.#prefix = prefix
  }

  make(facts: FinishFacts): ScriptArgument[] {
    const packed = facts.job.opts.attempts === 0 ? this.#packed.get(facts.token) : undefined
    if (packed !== undefined) return this.#assemble(facts, packed)
    const asked = this.#ask(facts).map((arg) => (typeof arg === 'boolean' ? Number(arg) : (arg ?? '')))
    if (facts.job.opts.attempts !== 0) return asked
    this.#keys = asked.slice(0, 10).map(String)
    const made = this.#assemble(facts, asked[OPTIONS] ?? '')
    const differs = made.length !== asked.length || made.some((arg, index) => String(arg) !== String(asked[index]))
    if (differs) throw new Error('BullMQ ends a job with other keys or arguments than are known here: is it another version?')
    if (this.#packed.size >= MAX_TOKENS) this.#packed.clear()
    this.#packed.set(facts.token, asked[OPTIONS] ?? '')
    return asked
  }

  #assemble({ job, state, value, at, fetchNext }: FinishFacts, packed: ScriptArgument): ScriptArgument[] {
    const prefix = this.#prefix
    const id = job.id ?? ''
    const property = propertyOf(state)
    const own = [prefix + state, prefix + id, `${prefix}metrics:${state}`, `${prefix}marker`]
    return [...this.#keys, ...own, id, at, property, value, state, fetchNext ? 1 : 0, prefix, packed, '']
  }
}

/** Where BullMQ keeps what a job ended with. */
export const propertyOf = (state: 'completed' | 'failed') => (state === 'failed' ? ('failedReason' as const) : ('returnvalue' as const))
