import type { z } from 'zod'
import { ErrorEnvelopeSchema } from '#lib/contract/envelope.ts'
import { errorTable } from '#lib/contract/errors.ts'
import { type HitAccepted, HitAcceptedSchema, type HitResult, HitResultSchema } from '#lib/contract/hit.ts'
import {
  type BulkRetry,
  BulkRetrySchema,
  type HitStats,
  HitStatsSchema,
  type HitsPage,
  HitsPageSchema,
  type HitsQuery,
  PausedSchema,
} from '#lib/contract/hits.ts'
import { ApiError } from '#lib/http/errors.ts'
import { createPeerFetch, PeerError, readData } from '#lib/http/peer.ts'
import { createWorkerClient } from '#services/worker/client.ts'

/** How long the worker may take to answer, in ms. */
const PATIENCE_MS = 3000
/** How much it may answer, in bytes: a page of hits is at most 4 MiB, a result holds the body of an answer. */
const MAX_BYTES = 16 * 1024 * 1024

/** The part of a typed client's answer that is read here. */
type Answer = Response | { readonly ok: boolean; readonly status: number; readonly headers: Headers; text(): Promise<string> }

/** The worker whose hits the console shows and operates. Methods reject with ApiError: what the worker refuses, or that it cannot be asked. */
export class ConsoleWorker {
  readonly url: string
  readonly #client: ReturnType<typeof createWorkerClient>

  constructor(options: { readonly url: string; readonly apiKey?: string | undefined }) {
    this.url = options.url
    this.#client = createWorkerClient(options.url, { apiKey: options.apiKey, fetch: createPeerFetch({ maxBytes: MAX_BYTES }) })
  }

  /** How the hits stand. */
  stats(): Promise<HitStats> {
    return this.#ask('ask how the hits stand', (init) => this.#client.hits.stats.$get({}, init), HitStatsSchema)
  }

  /** A page of hits. */
  list({ state, cursor, limit }: HitsQuery): Promise<HitsPage> {
    const query = {
      ...(state === undefined ? {} : { state }),
      ...(cursor === undefined ? {} : { cursor }),
      ...(limit === undefined ? {} : { limit: String(limit) }),
    }
    return this.#ask('list the hits', (init) => this.#client.hits.$get({ query }, init), HitsPageSchema)
  }

  /** The state or result of a hit. */
  find(taskId: string): Promise<HitResult> {
    return this.#ask(
      'read the hit',
      (init) => this.#client.hit[':taskId'].$get({ param: { taskId: encodeURIComponent(taskId) }, query: {} }, init),
      HitResultSchema,
    )
  }

  /**
   * Queues a hit.
   * @param once of the form that asks for it: sent twice, it is one hit
   */
  hit(once: string): Promise<HitAccepted> {
    return this.#ask('queue a hit', (init) => this.#client.hit.$post({ query: {}, header: { 'idempotency-key': once } }, init), HitAcceptedSchema)
  }

  /** Runs a hit again that has ended. */
  retry(taskId: string): Promise<HitAccepted> {
    return this.#ask(
      'run the hit again',
      (init) => this.#client.hit[':taskId'].retry.$post({ param: { taskId: encodeURIComponent(taskId) } }, init),
      HitAcceptedSchema,
    )
  }

  /** Runs failed hits again, as many as one call does. */
  retryFailed(): Promise<BulkRetry> {
    return this.#ask('run failed hits again', (init) => this.#client.hits.retry.$post({}, init), BulkRetrySchema)
  }

  /** Lets no hit begin, or lets them begin again. */
  async setPaused(paused: boolean): Promise<void> {
    await this.#ask(
      paused ? 'pause the hits' : 'let hits begin',
      (init) => (paused ? this.#client.hits.pause : this.#client.hits.resume).$post({}, init),
      PausedSchema,
    )
  }

  async #ask<T extends z.ZodType>(action: string, call: (options: { readonly init: RequestInit }) => Promise<Answer>, schema: T): Promise<z.output<T>> {
    try {
      const answer = await call({ init: { signal: AbortSignal.timeout(PATIENCE_MS) } })
      if (!answer.ok) throw await this.#refusal(action, answer)
      return await readData(answer, schema)
    } catch (error) {
      if (error instanceof ApiError) throw error
      const why = error instanceof PeerError ? error.message : error instanceof Error ? error.message : String(error)
      throw this.#away(action, why, error)
    }
  }

  /** What the worker refuses is told as it says it; that it does not take our key is nothing that whoever looks can mend. */
  async #refusal(action: string, answer: Answer): Promise<ApiError> {
    const text = await answer.text()
    let said: unknown
    try {
      said = JSON.parse(text)
    } catch {
      return this.#away(action, `it answered ${answer.status} with something that is not JSON`)
    }
    const envelope = ErrorEnvelopeSchema.safeParse(said)
    if (!envelope.success) return this.#away(action, `it answered ${answer.status}`)
    const { error } = envelope.data
    if (answer.status === 401 || answer.status === 403)
      return this.#away(action, `it answered ${answer.status}: ${error.message}; is WORKER_API_KEY of this controller its key?`)
    const code = Object.hasOwn(errorTable, error.code) ? (error.code as keyof typeof errorTable) : 'UPSTREAM_UNAVAILABLE'
    return new ApiError(code, error.message.slice(0, 1000), { details: error.details ?? [] })
  }

  #away(action: string, why: string, cause?: unknown): ApiError {
    return new ApiError('UPSTREAM_UNAVAILABLE', `Cannot ${action}: the worker at ${this.url} does not answer as it should: ${why}`, {
      headers: { 'Retry-After': '1' },
      cause,
    })
  }
}
