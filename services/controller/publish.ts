import { hash } from 'node:crypto'
import type { PublishRequest } from '#lib/contract/config.ts'
import { ApiError, invalidPart } from '#lib/http/errors.ts'
import { etagOf, ifMatchPasses } from '#lib/http/etag.ts'
import { canonicalJson } from '#lib/json/canonical.ts'
import {
  type Actor,
  type AuditHead,
  type Idempotency,
  IdempotencyKeyReusedError,
  type NewConfig,
  type Published,
  SchemaChangedError,
  type StoredConfig,
  VersionConflictError,
} from '#lib/store/port.ts'
import { overtaken, type SchemaOpinion, schemaViolation } from './config-schema.ts'
import type { ControllerDeps } from './deps.ts'
import { storeAnswers } from './store-errors.ts'

/** How often a publish is checked anew where the config schema was changed in between. */
const TRIES = 5

/** What a publish stands on. */
export type Publishing = Pick<ControllerDeps, 'config' | 'store' | 'feed' | 'fleet' | 'schema' | 'logger'>

/** What is to be published. */
export interface Publication extends PublishRequest {
  /** The version whose content it brings back; absent: it is no rollback. */
  readonly rollback_of?: number
}

/** Under which conditions, and how it is known again; the headers of the request. */
export interface PublishConditions {
  /** Absent: whatever is latest. */
  readonly ifMatch?: string | undefined
  readonly idempotencyKey?: string | undefined
  /** W3C Trace Context, as it goes on. */
  readonly traceparent?: string | undefined
}

/**
 * Says what If-Match was and what is latest, with the ETag to begin again from.
 * @param action what is attempted: "publish"
 */
export function conflict(action: string, ifMatch: string, latest: number): ApiError {
  const shown = JSON.stringify(ifMatch.slice(0, 100))
  const state = latest === 0 ? 'there is no version yet' : `the latest version is ${latest}`
  return new ApiError('VERSION_CONFLICT', `Cannot ${action}: ${state}, If-Match was ${shown}; read the latest and ${action} again`, {
    details: [{ path: 'latest_version', message: String(latest) }],
    headers: latest === 0 ? {} : { ETag: etagOf(latest) },
  })
}

/**
 * The JSON of a config's data.
 * @throws ApiError PAYLOAD_TOO_LARGE
 */
export function dataText(action: string, data: Readonly<Record<string, unknown>>, maxBytes: number): string {
  // What was sent may be shorter than what it says: 1e15 is stored with its 16 digits.
  const text = JSON.stringify(data)
  const size = Buffer.byteLength(text)
  if (size > maxBytes) throw new ApiError('PAYLOAD_TOO_LARGE', `Cannot ${action}: data is ${size} bytes of JSON, at most ${maxBytes} are allowed`)
  return text
}

/** How a publish is known again: by its key, and by all that it asks for. */
function idempotencyOf(key: string | undefined, publication: Publication): Idempotency | undefined {
  if (key === undefined) return undefined
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw invalidPart('header.idempotency-key', `expected 1 to 255 printable ASCII characters without spaces, got ${JSON.stringify(key.slice(0, 100))}`)
  return { key, fingerprint: hash('sha256', canonicalJson(publication), 'hex') }
}

/**
 * Publishes a config as the next version: stored and synced first, with its entry in the audit, announced to followers only then.
 * @throws ApiError VERSION_CONFLICT, SCHEMA_VIOLATION, IDEMPOTENCY_KEY_REUSED, INVALID_REQUEST, PAYLOAD_TOO_LARGE, OVERLOADED, NOT_READY,
 *   STORE_UNAVAILABLE
 */
export async function publishConfig(deps: Publishing, publication: Publication, conditions: PublishConditions, actor: Actor): Promise<Published> {
  const action = publication.rollback_of === undefined ? 'publish' : 'roll back'
  const { ifMatch, traceparent } = conditions
  const text = dataText(action, publication.data, deps.config.maxConfigBytes)
  const idempotency = idempotencyOf(conditions.idempotencyKey, publication)
  const config: NewConfig = {
    ...publication,
    ...(ifMatch === undefined ? {} : { allowed: (latest: number) => ifMatchPasses(ifMatch, latest) }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(idempotency ? { idempotency } : {}),
  }
  try {
    const published = await store(deps, action, config, text, actor)
    if (!published.repeated) announce(deps, published.config, published.head, { bytes: Buffer.byteLength(text), rollback_of: publication.rollback_of })
    return published
  } catch (error) {
    if (error instanceof VersionConflictError && ifMatch !== undefined) throw conflict(action, ifMatch, error.latest)
    if (error instanceof IdempotencyKeyReusedError)
      throw new ApiError(
        'IDEMPOTENCY_KEY_REUSED',
        `Cannot ${action}: the Idempotency-Key ${JSON.stringify(conditions.idempotencyKey)} came with another request, and ${error.message}; use a new one for each change`,
      )
    throw error
  }
}

/** Stores a config that meets the config schema; anew where that was changed in between. */
async function store(deps: Publishing, action: string, config: NewConfig, text: string, actor: Actor): Promise<Published> {
  const doing = `${action} the config`
  const { idempotency } = config
  // What was published before is answered as it was then, whatever is to be said of it now.
  const firstAnswerOr = async (refusal: unknown): Promise<Published> => {
    const first = idempotency && (await storeAnswers(doing, () => deps.store.publishedWith(actor.key_id, idempotency)))
    if (first) return { config: first, repeated: true }
    throw refusal
  }
  for (let tries = 0; tries < TRIES; tries++) {
    let opinion: SchemaOpinion
    try {
      opinion = await deps.schema.opinion(action, text)
    } catch (error) {
      return firstAnswerOr(error)
    }
    if (opinion.violations.length > 0) return firstAnswerOr(schemaViolation(action, opinion.violations))
    try {
      return await storeAnswers(doing, () => deps.store.publish({ ...config, schema_revision: opinion.revision }, actor))
    } catch (error) {
      if (!(error instanceof SchemaChangedError)) throw error
      await deps.schema.refresh()
    }
  }
  throw overtaken(action)
}

function announce(deps: Publishing, config: StoredConfig, head: AuditHead, { bytes, rollback_of }: { bytes: number; rollback_of: number | undefined }): void {
  deps.fleet.published(config.version)
  const { watchers } = deps.feed.hub
  deps.feed.announce(config)
  deps.logger.info('config', 'published', {
    version: config.version,
    ...(rollback_of === undefined ? {} : { rollback_of }),
    bytes,
    watchers,
    request_id: config.request_id,
    audit_seq: head.seq,
    audit_hash: head.hash,
  })
}
