import type { StoredSchema } from '#lib/contract/config-schema.ts'
import type { ErrorDetail } from '#lib/contract/envelope.ts'
import { ApiError } from '#lib/http/errors.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { SchemaChecker, type SchemaVerdict } from '#lib/schema/checker.ts'
import { type Actor, type ConfigSchemaInForce, SchemaChangedError, type Store, VersionConflictError } from '#lib/store/port.ts'
import { storeAnswers } from './store-errors.ts'

/** How often a change is tried anew where another came in between. */
const TRIES = 5

/** What the schema in force says of a config. */
export interface SchemaOpinion {
  /** Which schema it was. */
  readonly revision: number
  readonly violations: readonly ErrorDetail[]
}

const busy = (action: string): ApiError =>
  new ApiError('OVERLOADED', `Cannot ${action}: too many configs wait to be checked by the config schema; nothing was changed, try again after 1 s`, {
    headers: { 'Retry-After': '1' },
  })

const refusal = (code: 'INVALID_SCHEMA' | 'SCHEMA_VIOLATION', what: string, details: readonly ErrorDetail[]): ApiError => {
  const [first] = details
  const more = details.length > 1 ? ` (and ${details.length - 1} more)` : ''
  return new ApiError(code, `${what}${first ? `: ${first.path}: ${first.message}${more}` : ''}`, { details })
}

/**
 * A config that does not meet the schema in force.
 * @param action what is attempted: "publish"
 */
export const schemaViolation = (action: string, violations: readonly ErrorDetail[]): ApiError =>
  refusal('SCHEMA_VIOLATION', `Cannot ${action}: the config does not meet the config schema`, violations)

/** The config schema in force, and what it says of configs; every publish and every rollback has to meet it. */
export class ConfigSchema {
  readonly #store: Store
  readonly #logger: Logger
  readonly #checker: SchemaChecker
  #inForce: ConfigSchemaInForce
  #text: string | undefined

  private constructor(inForce: ConfigSchemaInForce, options: { readonly store: Store; readonly logger: Logger; readonly checker?: SchemaChecker }) {
    this.#store = options.store
    this.#logger = options.logger
    this.#checker = options.checker ?? new SchemaChecker()
    this.#inForce = inForce
    this.#text = inForce.stored && JSON.stringify(inForce.stored.schema)
  }

  /** The schema that was stored. */
  static async open(options: { readonly store: Store; readonly logger: Logger; readonly checker?: SchemaChecker }): Promise<ConfigSchema> {
    return new ConfigSchema(await options.store.schema(), options)
  }

  /** The schema in force; undefined where there is none. */
  get stored(): StoredSchema | undefined {
    return this.#inForce.stored
  }

  /**
   * What the schema in force says of a config.
   * @param action what is attempted, for messages
   * @param data JSON
   * @throws ApiError OVERLOADED where too many wait
   */
  async opinion(action: string, data: string): Promise<SchemaOpinion> {
    const { revision } = this.#inForce
    if (this.#text === undefined) return { revision, violations: [] }
    return { revision, violations: violationsOf(action, await this.#checker.check(this.#text, data)) }
  }

  /**
   * Puts a schema in force.
   * @param force also where the latest config does not meet it
   * @throws ApiError INVALID_SCHEMA, SCHEMA_VIOLATION, OVERLOADED, STORE_UNAVAILABLE
   */
  async set(
    schema: Readonly<Record<string, unknown>>,
    options: { readonly force: boolean; readonly comment: string | undefined },
    actor: Actor,
  ): Promise<StoredSchema> {
    const text = JSON.stringify(schema)
    await this.#change(schema, actor, options.comment, async (latest) => {
      const verdict = await this.#checker.check(text, latest)
      if (verdict.kind === 'invalid_schema')
        throw refusal('INVALID_SCHEMA', 'Cannot set the config schema: it is no JSON Schema of draft 2020-12 that can be used', verdict.problems)
      if (verdict.kind === 'too_slow') throw refusal('INVALID_SCHEMA', 'Cannot set the config schema', [{ path: 'schema', message: tooSlow(verdict.limit_ms) }])
      const violations = violationsOf('set the config schema', verdict)
      if (violations.length > 0 && !options.force)
        throw refusal('SCHEMA_VIOLATION', 'Cannot set the config schema: the latest config does not meet it (?force=true sets it all the same)', violations)
    })
    const { stored } = this.#inForce
    if (stored === undefined) throw new Error('the schema that was set is not in force')
    return stored
  }

  /**
   * Lets configs be anything again.
   * @returns false where no schema was in force
   * @throws ApiError STORE_UNAVAILABLE
   */
  async remove(actor: Actor, comment: string | undefined): Promise<boolean> {
    if (this.stored === undefined) return false
    await this.#change(undefined, actor, comment, async () => {})
    return true
  }

  /** Ends the thread that checks. */
  close(): Promise<void> {
    return this.#checker.close()
  }

  /** @param allow looks at the latest config, JSON; rejects where the change may not be */
  async #change(
    schema: Readonly<Record<string, unknown>> | undefined,
    actor: Actor,
    comment: string | undefined,
    allow: (latest: string | undefined) => Promise<void>,
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      const action = 'change the config schema'
      const latest = await storeAnswers(action, () => this.#store.latest())
      await allow(latest && JSON.stringify(latest.data))
      const follows = { revision: this.#inForce.revision, latest: latest?.version ?? 0 }
      try {
        const head = await storeAnswers(action, () => this.#store.setSchema(schema, follows, actor, comment))
        this.#logger.info('config', schema ? 'the config schema was set' : 'the config schema was deleted', { audit_seq: head.seq, audit_hash: head.hash })
        await this.#reload()
        return
      } catch (error) {
        // A publish, or another change, came in between: what was looked at is not what is there.
        if (!(error instanceof VersionConflictError || error instanceof SchemaChangedError)) throw error
        await this.#reload()
        if (tries === TRIES) throw busy(action)
      }
    }
  }

  async #reload(): Promise<void> {
    this.#inForce = await storeAnswers('read the config schema', () => this.#store.schema())
    this.#text = this.#inForce.stored && JSON.stringify(this.#inForce.stored.schema)
  }
}

const tooSlow = (limitMs: number): string =>
  `checking the config by it took longer than ${limitMs / 1000} s and was given up; look for patterns with nested repetition, as (a+)+`

function violationsOf(action: string, verdict: SchemaVerdict): readonly ErrorDetail[] {
  switch (verdict.kind) {
    case 'good':
      return []
    case 'violations':
      return verdict.violations
    case 'invalid_schema':
      return verdict.problems
    case 'too_slow':
      return [{ path: 'data', message: tooSlow(verdict.limit_ms) }]
    case 'too_many':
      throw busy(action)
  }
}
