import type { StoredSchema } from '#lib/contract/config-schema.ts'
import type { ErrorDetail } from '#lib/contract/envelope.ts'
import { ApiError } from '#lib/http/errors.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { SchemaChecker } from '#lib/schema/checker.ts'
import type { SchemaVerdict } from '#lib/schema/verdict.ts'
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

/** A change of the schema: what is put in force, and who looks at whether it may be. */
interface Change {
  readonly schema: Readonly<Record<string, unknown>> | undefined
  /** Looks at what is in force and at the latest config, JSON; rejects where the change may not be. */
  readonly allow: (inForce: ConfigSchemaInForce, latest: string | undefined) => Promise<void>
}

const retryLater = (action: string, why: string): ApiError =>
  new ApiError('OVERLOADED', `Cannot ${action}: ${why}; nothing was changed, try again after 1 s`, { headers: { 'Retry-After': '1' } })

/**
 * A change that others came before again and again.
 * @param action what is attempted: "publish"
 */
export const overtaken = (action: string): ApiError => retryLater(action, 'the config schema or the latest config was changed again and again meanwhile')

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

/** Nothing to delete: no schema is in force. */
export const noSchema = (): ApiError => new ApiError('NOT_FOUND', 'no config schema is set; PUT /config/schema sets one')

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
   * @throws ApiError OVERLOADED where too many wait, NOT_READY where nothing can be checked
   */
  async opinion(action: string, data: string): Promise<SchemaOpinion> {
    const { revision } = this.#inForce
    if (this.#text === undefined) return { revision, violations: [] }
    return { revision, violations: this.#violationsOf(action, await this.#checker.check(this.#text, data)) }
  }

  /**
   * Reads which schema is in force: the store knows of another one.
   * @throws ApiError STORE_UNAVAILABLE
   */
  async refresh(): Promise<ConfigSchemaInForce> {
    const stored = await storeAnswers('read the config schema', () => this.#store.schema())
    this.#take(stored)
    return stored
  }

  /**
   * Puts a schema in force.
   * @param force also where the latest config does not meet it
   * @throws ApiError INVALID_SCHEMA, SCHEMA_VIOLATION, OVERLOADED, NOT_READY, STORE_UNAVAILABLE
   */
  async set(
    schema: Readonly<Record<string, unknown>>,
    options: { readonly force: boolean; readonly comment: string | undefined },
    actor: Actor,
  ): Promise<StoredSchema> {
    const text = JSON.stringify(schema)
    const allow = async (_inForce: ConfigSchemaInForce, latest: string | undefined) => {
      const verdict = await this.#checker.check(text, latest)
      if (verdict.kind === 'invalid_schema')
        throw refusal('INVALID_SCHEMA', 'Cannot set the config schema: it is no JSON Schema of draft 2020-12 that can be used', verdict.problems)
      if (verdict.kind === 'given_up') throw refusal('INVALID_SCHEMA', 'Cannot set the config schema', [{ path: 'schema', message: givenUp(verdict.why) }])
      const violations = this.#violationsOf('set the config schema', verdict)
      if (violations.length > 0 && !options.force)
        throw refusal('SCHEMA_VIOLATION', 'Cannot set the config schema: the latest config does not meet it (?force=true sets it all the same)', violations)
    }
    const { stored } = await this.#change({ schema, allow }, options.comment, actor)
    if (stored === undefined) throw new Error('the schema that was set is not in force')
    return stored
  }

  /**
   * Lets configs be anything again.
   * @throws ApiError NOT_FOUND where no schema is in force, OVERLOADED, STORE_UNAVAILABLE
   */
  async remove(actor: Actor, comment: string | undefined): Promise<void> {
    const allow = async ({ stored }: ConfigSchemaInForce) => {
      if (stored === undefined) throw noSchema()
    }
    await this.#change({ schema: undefined, allow }, comment, actor)
  }

  /** Ends the thread that checks. */
  close(): Promise<void> {
    return this.#checker.close()
  }

  /** Makes a change that follows what was looked at, and gives what is in force by it. */
  async #change({ schema, allow }: Change, comment: string | undefined, actor: Actor): Promise<ConfigSchemaInForce> {
    const action = `${schema ? 'set' : 'delete'} the config schema`
    for (let tries = 0; tries < TRIES; tries++) {
      const { revision, stored } = await this.refresh()
      const latest = await storeAnswers(action, () => this.#store.latest())
      await allow({ revision, stored }, latest && JSON.stringify(latest.data))
      try {
        const follows = { revision, latest: latest?.version ?? 0 }
        const { head, inForce } = await storeAnswers(action, () => this.#store.setSchema(schema, follows, actor, comment))
        this.#take(inForce)
        const what = schema ? 'the config schema was set' : 'the config schema was deleted'
        this.#logger.info('config', what, { revision: inForce.revision, request_id: actor.request_id, audit_seq: head.seq, audit_hash: head.hash })
        return inForce
      } catch (error) {
        // A publish, or another change, came in between: what was looked at is not what is there.
        if (!(error instanceof VersionConflictError || error instanceof SchemaChangedError)) throw error
      }
    }
    throw overtaken(action)
  }

  /** Goes by another schema, unless it is an older one: of two that were read at once the later may come first. */
  #take(inForce: ConfigSchemaInForce): void {
    if (inForce.revision <= this.#inForce.revision) return
    this.#inForce = inForce
    this.#text = inForce.stored && JSON.stringify(inForce.stored.schema)
  }

  #violationsOf(action: string, verdict: SchemaVerdict): readonly ErrorDetail[] {
    switch (verdict.kind) {
      case 'good':
        return []
      case 'violations':
        return verdict.violations
      // It was good when it was set: by another release, or another Node.js.
      case 'invalid_schema':
        return verdict.problems
      case 'given_up':
        return [{ path: 'data', message: givenUp(verdict.why) }]
      case 'too_many':
        throw retryLater(action, 'too many configs wait to be checked by the config schema')
      case 'unavailable':
        // What is wrong may name files of this machine: that is for the log.
        this.#logger.error('config', 'the config schema cannot be checked', { action, why: verdict.why })
        throw new ApiError('NOT_READY', `Cannot ${action}: the config schema cannot be checked, and the log of this service says why; nothing was changed`, {
          details: [{ path: 'config_schema', message: 'cannot be checked' }],
          headers: { 'Retry-After': '5' },
        })
    }
  }
}

const givenUp = (why: string): string => `checking the config by it ${why} and was given up; look for patterns with nested repetition, as (a+)+`
